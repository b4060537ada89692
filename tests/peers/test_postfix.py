"""Postfix as somebody's MX, and Postfix as a client of ours."""

import asyncio
import re
import smtplib
import subprocess
from pathlib import Path

import pytest

from relay.address import parse_address
from relay.clock import SystemClock
from relay.signing.keys import KeyRing
from relay.spool import records as spool
from relay.station import open_station
from tests.fakes.daemon import APPLICATION, HOSTNAME, OURS, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.peers.messages import EIGHT_BIT, LONG_LINES, NO_BODY, RECIPIENT, SEVEN_BIT
from tests.peers.postfix import Postfix, needs_postfix, needs_sasl, run_postfix
from tests.peers.test_dkim_judges import needs_opendkim

pytestmark = needs_postfix

EXCHANGER = {
    "virtual_mailbox_domains": "far.example",
    "virtual_mailbox_maps": "inline:{ ann@far.example=far.example/ann/, bob@far.example=far.example/bob/ }",
}
TRACE = re.compile(
    rb"(?:(?:Return-Path|Delivered-To|Received|DKIM-Signature|X-Original-To):[^\n]*\r\n(?:[ \t].*\r\n)*)*"
)


async def daemon_before(
    postfix: Postfix, make_daemon: MakeDaemon, dns: FakeDns, *, receives: bool = False
) -> Daemon:
    """A daemon whose mail for far.example goes to `postfix`."""
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    settings = {
        "dns.nameservers": [dns.nameserver],
        "delivery.port": postfix.port,
        "submission.trusted_networks": ["127.0.0.0/8"],
    }
    daemon = await make_daemon(settings, receives=receives)
    await daemon.start()
    return daemon


async def hand_in(
    daemon: Daemon,
    content: bytes,
    to: list[str],
    mail_options: tuple[str, ...] = (),
    rcpt_options: tuple[str, ...] = (),
) -> None:
    def talk() -> None:
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], local_hostname="app.test") as client:
            client.sendmail(APPLICATION, to, content, mail_options, rcpt_options)

    await asyncio.to_thread(talk)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (SEVEN_BIT, ()),
        (EIGHT_BIT, ("BODY=8BITMIME",)),
        (LONG_LINES, ()),
        (NO_BODY, ()),
    ],
    ids=["dots and blanks", "8-bit", "long lines", "no body"],
)
async def test_it_delivers_what_was_handed_in(
    make_daemon: MakeDaemon, dns: FakeDns, content: bytes, options: tuple[str, ...]
) -> None:
    async with run_postfix(EXCHANGER) as postfix:
        daemon = await daemon_before(postfix, make_daemon, dns)
        await hand_in(daemon, content, [RECIPIENT], options)
        await postfix.says("status=sent", "delivered to maildir")
        (found,) = postfix.mailbox(RECIPIENT)
    assert found.endswith(content)
    before = found.removesuffix(content)
    assert TRACE.fullmatch(before), before.decode()
    assert before.count(b"DKIM-Signature:") == 2
    assert f"by {HOSTNAME}".encode() in before


async def test_recipients_of_one_message_travel_together(make_daemon: MakeDaemon, dns: FakeDns) -> None:
    async with run_postfix(EXCHANGER) as postfix:
        daemon = await daemon_before(postfix, make_daemon, dns)
        await hand_in(daemon, SEVEN_BIT, [RECIPIENT, "bob@far.example"])
        first = await postfix.says("status=sent", "delivered to maildir")
        second = await postfix.says("status=sent", "delivered to maildir")
        queue_ids = {line.split(": ")[1] for line in (first, second)}
        assert len(queue_ids) == 1
        assert len(postfix.mailbox(RECIPIENT)) == 1
        assert len(postfix.mailbox("bob@far.example")) == 1


async def test_a_recipient_it_refuses_bounces_and_the_other_gets_the_mail(
    make_daemon: MakeDaemon, dns: FakeDns
) -> None:
    async with run_postfix(EXCHANGER) as postfix:
        daemon = await daemon_before(postfix, make_daemon, dns, receives=True)
        await hand_in(daemon, SEVEN_BIT, ["nobody@far.example", RECIPIENT])
        await postfix.says("status=sent", "delivered to maildir")
        bounced = await daemon.happens("message.bounced")
        assert bounced["data"]["recipient"] == "nobody@far.example"
        assert "5.1.1" in bounced["data"]["reply"]
        await daemon.happens("message.received")
        report = await newest_received(daemon)
    assert b"Final-Recipient: rfc822;nobody@far.example" in report.replace(b"rfc822; ", b"rfc822;")
    assert b"Status: 5.1.1" in report
    assert RECIPIENT.encode() not in report.partition(b"Final-Recipient")[2].partition(b"\r\n\r\n")[0]


async def test_it_honours_the_dsn_wishes_that_we_pass_on(make_daemon: MakeDaemon, dns: FakeDns) -> None:
    dns.mx("ours.test", (10, "mail.ours.test"))
    async with run_postfix(EXCHANGER) as postfix:
        daemon = await daemon_before(postfix, make_daemon, dns, receives=True)
        inbound = f"[127.0.0.1]:{daemon.ports['inbound']}"
        await postfix.reconfigure(relayhost=inbound)
        await hand_in(
            daemon,
            SEVEN_BIT,
            [RECIPIENT],
            ("RET=HDRS", "ENVID=order+2B17"),
            ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Ann+2Bsales@far.example"),
        )
        await postfix.says("status=sent", f"to=<{APPLICATION}>")
        report = await newest_received(daemon)
    assert b"Action: delivered" in report
    assert b"Original-Envelope-Id: order+17" in report
    assert b"Original-Recipient: rfc822;Ann+sales@far.example" in report
    assert b"Reporting-MTA: dns; peer.test" in report
    assert b".dot first" not in report


@needs_opendkim
async def test_opendkim_accepts_the_signatures_of_what_it_delivered(
    make_daemon: MakeDaemon, dns: FakeDns, tmp_path: Path
) -> None:
    async with run_postfix(EXCHANGER) as postfix:
        daemon = await daemon_before(postfix, make_daemon, dns)
        await hand_in(daemon, EIGHT_BIT, [RECIPIENT], ("BODY=8BITMIME",))
        await postfix.says("status=sent", "delivered to maildir")
        (found,) = postfix.mailbox(RECIPIENT)
    keys = KeyRing(daemon.config.dkim.key_dir).active(OURS)
    (tmp_path / "keys.txt").write_text("".join(f"{key.dns_name} {key.dns_record}\n" for key in keys))
    (tmp_path / "opendkim.conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys.txt\n")
    (tmp_path / "message.eml").write_bytes(found)
    assert judge(tmp_path) == {"rsa-sha256": "pass", "ed25519-sha256": "pass"}
    (tmp_path / "message.eml").write_bytes(found + b"more\r\n")
    assert "pass" not in judge(tmp_path).values()


@needs_sasl
@pytest.mark.parametrize("door", ["submission", "submissions"])
async def test_it_submits_with_sasl_under_verified_tls(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, door: str
) -> None:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    daemon = await make_daemon({"dns.nameservers": [dns.nameserver], "delivery.port": mx.port})
    await daemon.start()
    client = {
        "relayhost": f"[localhost]:{daemon.ports[door]}",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"static:{{{APPLICATION}:{daemon.password}}}",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "hostname",
        "smtp_tls_wrappermode": "yes" if door == "submissions" else "no",
        "smtp_tls_loglevel": "1",
    }
    async with run_postfix(client) as postfix:
        await postfix.reconfigure(smtp_tls_CAfile=trusted(postfix, daemon))

        def talk() -> None:
            with smtplib.SMTP("127.0.0.1", postfix.port, local_hostname="app.test") as session:
                session.sendmail(APPLICATION, [RECIPIENT], EIGHT_BIT, ["BODY=8BITMIME"])

        await asyncio.to_thread(talk)
        line = await postfix.says("status=")
        assert "status=sent (250 2.0.0 queued as msg_" in line, line
        assert any("Verified TLS connection" in line for line in postfix.log)
        (message,) = await mx.messages_arrive()
    assert message.content.endswith(EIGHT_BIT)
    assert message.reverse_path == APPLICATION
    assert b" with ESMTPSA" in message.content


def trusted(postfix: Postfix, daemon: Daemon) -> str:
    """Our authority where Postfix, which is not root, may read it."""
    file = postfix.directory / "ca.pem"
    file.write_bytes(daemon.ca_file.read_bytes())
    file.chmod(0o644)
    return str(file)


def judge(directory: Path) -> dict[str, str]:
    judged = subprocess.run(
        ["/usr/sbin/opendkim", "-x", directory / "opendkim.conf", "-vv", "-t", directory / "message.eml"],
        capture_output=True,
        check=True,
        text=True,
        errors="replace",
    )
    found = re.findall(r"dkim=(\w+).*? header\.a=(\S+)", judged.stdout)
    return {algorithm: verdict for verdict, algorithm in found}


async def newest_received(daemon: Daemon) -> bytes:
    """What came last into the application's mailbox; the daemon is stopped for it."""
    assert await daemon.stop() == 0
    async with open_station(daemon.config, SystemClock()) as station:
        mailbox = await station.directory.mailbox_for_address(parse_address(APPLICATION))
        assert mailbox is not None
        (newest,) = await spool.received_by(station.db, mailbox.id, 1)
        stored = await spool.content_of(station.db, newest.id)
        assert stored is not None
        assert stored.body is not None
        return stored.header + b"\r\n" + stored.body
