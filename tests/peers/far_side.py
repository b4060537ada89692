"""Ann's side of a conversation: a Postfix that keeps her mail, and sends what she writes to our MX."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from relay.message.headers import Header
from tests.fakes.daemon import Daemon, MakeDaemon, run_program
from tests.fakes.dns_server import FakeDns
from tests.peers.postfix import Postfix, run_postfix

ANN = "ann@far.example"
_EXCHANGER = {
    "virtual_mailbox_domains": "far.example",
    "virtual_mailbox_maps": f"inline:{{ {ANN}=far.example/ann/ }}",
    # It finds out that somebody is not there only after it has taken the mail, and writes a notice.
    "smtpd_reject_unlisted_recipient": "no",
}


@dataclass(slots=True)
class FarSide:
    """The daemon here and the Postfix there."""

    daemon: Daemon
    postfix: Postfix

    async def receives(self, count: int = 1) -> bytes:
        """The newest message in Ann's mailbox, once there are so many; with CRLF."""
        while len(self.postfix.mailbox(ANN)) < count:
            await self.postfix.says("status=sent", "delivered to maildir")
        found = self.postfix.mailbox(ANN)
        assert len(found) == count
        return found[-1].partition(b"\r\n")[2]  # without Return-Path

    async def answers(self, text: str, *, to: str, subject: str = "Re: Your order", **fields: str) -> None:
        """Ann writes, with her Postfix's sendmail; `fields` with `_` for `-`."""
        head = [f"From: Ann <{ANN}>", f"To: {to}", f"Subject: {subject}", "Message-ID: <b7@far.example>"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        content = "\n".join([*head, "", text, ""]).encode()
        etc = self.postfix.directory / "etc"
        await run_program("/usr/sbin/sendmail", "-C", etc, "-i", "-f", ANN, "--", to, stdin=content)
        await self.postfix.says("status=sent", f"to=<{to}>")


@asynccontextmanager
async def far_side(make_daemon: MakeDaemon, dns: FakeDns) -> AsyncIterator[FarSide]:
    """Both of them, ours not started yet; each is the other's exchanger."""
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    async with run_postfix(_EXCHANGER) as postfix:
        settings = {
            "dns.nameservers": [dns.nameserver],
            "delivery.port": postfix.port,
            "webhooks.allow_private_networks": True,
        }
        daemon = await make_daemon(settings, receives=True)
        await postfix.reconfigure(relayhost=f"[127.0.0.1]:{daemon.ports['inbound']}")
        yield FarSide(daemon, postfix)


def fields_of(raw: bytes) -> dict[str, str]:
    """The first field of each name (lower case), unfolded."""
    header = Header.parse(raw.partition(b"\r\n\r\n")[0] + b"\r\n")
    return {name: header.first(name) or "" for name in {field.name_lower for field in header.fields}}
