"""rspamd understands what we ask it, and the daemon follows its advice."""

import asyncio
import smtplib
from datetime import timedelta
from pathlib import Path

import pytest

from inbound.spam_filter import SpamFilter
from relay.address import parse_address
from relay.message.content import Content, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from tests.fakes.daemon import APPLICATION, MakeDaemon
from tests.peers.rspamd import needs_rspamd, run_rspamd

pytestmark = needs_rspamd

HEADER = b"From: ann@far.example\r\nSubject: x\r\nMessage-ID: <1@far.example>\r\n\r\n"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"


def content(tmp_path: Path, octets: bytes) -> Content:
    writer = ContentWriter(tmp_path / "incoming", size_limit=1 << 25)
    writer.feed(octets)
    return writer.finish()


async def test_its_verdicts_are_read_and_it_is_told_of_the_session(tmp_path: Path) -> None:
    recipients = [EnvelopeRecipient(parse_address(f"{name}@ours.test")) for name in ("app", "bob")]
    envelope = Envelope(parse_address("ann@far.example"), recipients)
    large = content(tmp_path, HEADER + b"0123456789\r\n" * 200_000)
    assert large.body.file is not None
    async with run_rspamd(tmp_path) as url:
        asked = SpamFilter(url, timeout=timedelta(seconds=60))
        ham = await asked.judge(
            envelope, large, client="192.0.2.9", helo="mx.far.example", session_id="ses_1"
        )
        told = await asked.judge(
            envelope, large, client="198.51.100.7", helo="mx.far.example", session_id="ses_2"
        )
        spam = await asked.judge(
            envelope,
            content(tmp_path, HEADER + GTUBE),
            client="2001:db8::7",
            helo="[192.0.2.1]",
            session_id="ses_3",
        )
    assert ham is not None
    assert (ham.action, ham.is_spam, ham.symbols) == ("no action", False, ())
    assert told is not None
    assert (told.action, told.is_spam, told.score) == ("add header", True, 7.0)
    assert told.symbols == ("TOLD_OF_THE_SESSION",)
    assert spam is not None
    assert (spam.action, spam.is_spam, spam.symbols) == ("reject", True, ("GTUBE",))


async def test_the_daemon_refuses_what_it_refuses(tmp_path: Path, make_daemon: MakeDaemon) -> None:
    async with run_rspamd(tmp_path) as url:
        daemon = await make_daemon({"inbound.rspamd_url": url, "inbound.on_spam": "reject"})
        await daemon.start()

        def send(body: bytes) -> None:
            with smtplib.SMTP("127.0.0.1", daemon.ports["inbound"], "mx.far.example") as client:
                client.sendmail("ann@far.example", APPLICATION, HEADER + body)

        await asyncio.to_thread(send, b"hello\r\n")
        with pytest.raises(smtplib.SMTPDataError, match=r"554.*5\.7\.1 This message looks like spam"):
            await asyncio.to_thread(send, GTUBE)
