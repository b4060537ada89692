"""Many programs at once, over HTTP to the daemon as it runs."""

import asyncio

from tests.fakes.api_client import api_client, make_key
from tests.fakes.daemon import APPLICATION, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx

MESSAGES = f"/v1/inboxes/{APPLICATION}/messages"
LETTER = {"to": ["ann@far.example"], "subject": "Your order", "text": "Shall we say Tuesday?"}


async def test_five_hundred_at_once_under_one_key_make_one_message(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx
) -> None:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    daemon = await make_daemon({"dns.nameservers": [dns.nameserver], "delivery.port": mx.port})
    key = await make_key(daemon)
    await daemon.start()
    async with api_client(daemon, key, connections=100) as api:
        asked = (
            api.http.post(MESSAGES, json=LETTER, headers={"Idempotency-Key": "order 7"}) for _ in range(500)
        )
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 499
        assert len((await api.get(MESSAGES))["data"]) == 1
    await mx.messages_arrive()
    await daemon.happens("message.delivered")
    assert await daemon.stop() == 0
    assert len(mx.received) == 1
