"""Somebody between client and server: what was said in the clear is never believed under TLS."""

import itertools
import ssl

import pytest

from tests.attacks.submitting import plain
from tests.fakes.daemon import APPLICATION, OURS, Daemon
from tests.relay.smtp_server.client import Client

# What may be put behind the client's STARTTLS, in the same packet, before the handshake.
INJECTED = [
    b"EHLO evil\r\n",
    b"EHLO evil\r\nMAIL FROM:<app@ours.test>\r\nRCPT TO:<eve@far.example>\r\nDATA\r\n",
    b"MAIL FROM:<app@ours.test>\r\n",
    b"RSET\r\nNOOP\r\nQUIT\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"AUTH LOGIN\r\nYQ==\r\nYg==\r\n",
    b"STARTTLS\r\n",
    b"NOOP",
    b"EHLO evil\r\nMAIL FR",
    b"\r\n\r\n",
    b"\n.\n",
    b"X" * 5000,
]


async def started(daemon: Daemon, door: str, behind: bytes = b"") -> Client:
    """Under TLS, after an EHLO in the clear and a STARTTLS with that behind it."""
    client = await Client.open(daemon.ports[door])
    await client.hello()
    client.send(b"STARTTLS\r\n" + behind)
    assert (await client.hear()).startswith("220 ")
    await client.start_tls(ssl.create_default_context(cafile=str(daemon.ca_file)))
    return client


async def test_what_stands_behind_starttls_was_never_said(daemon: Daemon) -> None:
    await daemon.start()
    for door, behind in itertools.product(("submission", "inbound"), INJECTED):
        async with await started(daemon, door, behind) as client:
            # Its first word under TLS gets the first answer, and the session is as if nothing had been said.
            assert (await client.say("MAIL FROM:<a@far.example>")).startswith("503 5.5.1 "), behind
            assert "STARTTLS" not in await client.hello(), behind
            assert (await client.say("RCPT TO:<eve@far.example>"))[:3] in ("503", "530"), behind
            assert (await client.say("NOOP")).startswith("250 "), behind


async def test_tls_starts_once_and_without_it_there_is_no_password_and_no_mail(daemon: Daemon) -> None:
    """A man in the middle can hide the offer; then a password is neither asked for nor taken."""
    await daemon.start()
    async with await started(daemon, "submission") as client:
        assert "AUTH PLAIN LOGIN" in await client.hello()
        assert (await client.say(f"AUTH PLAIN {plain(APPLICATION, daemon.password)}")).startswith("235 ")
        assert (await client.say("STARTTLS")).startswith("503 5.5.1 ")
        assert (await client.say("STARTTLS please")).startswith("501 5.5.4 ")
        assert (await client.say(f"MAIL FROM:<{APPLICATION}>")).startswith("250 ")

    async with await Client.open(daemon.ports["submission"]) as client:
        assert "AUTH" not in await client.hello()
        for command in (f"AUTH PLAIN {plain(APPLICATION, daemon.password)}", "AUTH LOGIN"):
            assert (await client.say(command)).startswith("538 5.7.11 ")
        assert (await client.say(f"MAIL FROM:<app@{OURS}>")).startswith("530 5.7.0 ")
    assert daemon.password not in daemon.log
    assert plain(APPLICATION, daemon.password) not in daemon.log


async def test_tls_of_another_age_is_not_spoken(daemon: Daemon) -> None:
    await daemon.start()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.options &= ~ssl.OP_NO_TLSv1_1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Client.open(daemon.ports["submissions"], tls=old)
