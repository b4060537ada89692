"""A batch in whose midst the daemon dies is completed by the same request; nothing of it is taken twice."""

import asyncio
import os
import signal
from datetime import timedelta

import httpx2
import pytest

from relay.clock import SystemClock
from tests.crash.inside import states
from tests.fakes.api_client import http_client, make_key
from tests.fakes.daemon import APPLICATION, MakeDaemon

EMAILS = 1000


async def test_a_batch_that_was_killed_is_completed_and_nothing_is_taken_twice(
    make_daemon: MakeDaemon,
) -> None:
    daemon = await make_daemon(daily_cap=EMAILS)
    key = await make_key(daemon)
    later = (SystemClock().now() + timedelta(days=1)).isoformat()
    email = {"from": APPLICATION, "text": "Hi", "send_at": later}
    document = {"emails": [{**email, "to": f"ann{number}@far.example"} for number in range(EMAILS)]}
    document["idempotency_key"] = "a batch"  # type: ignore[assignment]

    await daemon.start()
    async with http_client(daemon, key) as http:
        request = asyncio.create_task(http.post("/v1/emails/batch", json=document))
        while not (await asyncio.to_thread(states, daemon))["scheduled"]:
            assert not request.done()
        os.kill(daemon.pid, signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            await request
    assert await daemon.ends() == -signal.SIGKILL

    await daemon.start()
    taken = states(daemon)
    assert 0 < taken["scheduled"] < EMAILS
    async with http_client(daemon, key) as http:
        answers = [await http.post("/v1/emails/batch", json=document) for _ in range(2)]
        account = (await http.get(f"/v1/inboxes/{APPLICATION}")).json()
    assert answers[0].content == answers[1].content
    batch = answers[0].json()
    assert (batch["accepted"], batch["refused"], batch["pending"]) == (EMAILS, 0, 0)
    assert len({each["id"] for each in batch["results"]}) == EMAILS
    assert states(daemon) == {"scheduled": EMAILS}
    assert account["used_today"] == 0
    assert await daemon.stop() == 0
