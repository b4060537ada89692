"""The daemon of a crash test before its first load: settings, a mailbox that receives, a key, a webhook."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from relay.control.operations.domains import AddDomain
from tests.crash import inside
from tests.crash.far_side import FarSide
from tests.crash.load import INBOX
from tests.fakes.api_client import api_client, make_key
from tests.fakes.daemon import Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns

_SETTINGS: Mapping[str, Any] = {
    "delivery.retry_schedule": ["1s"],
    "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
    "webhooks.allow_private_networks": True,
    "limits.api_requests_per_minute": 1_000_000,
    "limits.connections_per_minute": 1_000_000,
    "limits.messages_per_minute_per_ip": 1_000_000,
    "log.level": "warning",
}


async def furnish(
    make_daemon: MakeDaemon, dns: FakeDns, far_side: FarSide, *, purges: bool
) -> tuple[Daemon, str]:
    """A daemon that is not running, and a key of its API; one that `purges` forgets bodies after a second."""
    daemon: Daemon = await make_daemon(
        {"dns.nameservers": [dns.nameserver], "delivery.port": far_side.port, **_SETTINGS}
        | ({"retention.content": "1s"} if purges else {}),
        watchdog=timedelta(seconds=1),
    )
    domain = INBOX.partition("@")[2]
    await daemon.do("domain.add", AddDomain(name=domain, assume_verified=True, receives=True))
    await daemon.add_mailbox(INBOX)
    key = await make_key(daemon)
    await daemon.start()
    async with api_client(daemon, key) as api:
        await api.post("/v1/webhooks", {"url": far_side.url, "events": list(inside.TOLD)})
    assert await daemon.stop() == 0
    return daemon, key
