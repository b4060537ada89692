"""A daemon under its service manager: status, watchdog, reload, drain, restart without a refusal."""

import asyncio
import signal
import smtplib
import socket
import ssl
from datetime import timedelta

import pytest

from relay.control.operations.keys import CreateKey
from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.relay.daemon.client import FAR_RECIPIENT, gets, letter, open_session, sends, submit


async def test_the_watchdog_is_fed_and_the_status_tells_what_waits(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx
) -> None:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    mx.answers("RCPT", "451 4.7.1 greylisted")
    daemon = await make_daemon(
        {"dns.nameservers": [dns.nameserver], "delivery.port": mx.port},
        watchdog=timedelta(milliseconds=300),
    )
    await daemon.start()
    for _ in range(3):
        await daemon.manager.hears("WATCHDOG=1")
    await daemon.manager.hears("STATUS=0 recipients waiting")
    await sends(daemon)
    await daemon.manager.hears("STATUS=1 recipient waiting")
    assert await daemon.stop() == 0
    await daemon.manager.hears("STOPPING=1")


async def test_sigterm_lets_a_transfer_finish(daemon: Daemon, mx: FarMx) -> None:
    gate = mx.stalls(".")
    await daemon.start()
    await sends(daemon)
    await mx.messages_arrive()
    daemon.signal(signal.SIGTERM)
    await daemon.manager.hears("STOPPING=1")
    gate.set()
    assert await daemon.ends() == 0
    await daemon.start()
    await sends(daemon, "the next")
    arrived = await mx.messages_arrive(2)
    assert [message.content.count(b"Subject: the next") for message in arrived] == [0, 1]


async def test_sigterm_does_not_wait_for_a_far_side_that_hangs(
    make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx
) -> None:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    daemon = await make_daemon(
        {
            "dns.nameservers": [dns.nameserver],
            "delivery.port": mx.port,
            "server.drain_timeout": "1s",
        }
    )
    mx.stalls(".")
    await daemon.start()
    await sends(daemon)
    await mx.messages_arrive()
    assert await daemon.stop() == 0
    mx.behaves()
    await daemon.start()
    first, again = await mx.messages_arrive(2)
    assert first.content == again.content


async def test_an_idle_client_gets_421_and_a_busy_one_its_250(daemon: Daemon, mx: FarMx) -> None:
    await daemon.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["submission"])
    await reader.readline()
    busy = await asyncio.to_thread(open_session, daemon)
    await asyncio.to_thread(busy.mail, APPLICATION)
    await asyncio.to_thread(busy.rcpt, FAR_RECIPIENT)
    assert (await asyncio.to_thread(busy.docmd, "DATA"))[0] == 354
    daemon.signal(signal.SIGTERM)
    assert (await reader.readline()).startswith(b"421 4.3.2")
    await asyncio.to_thread(busy.send, letter() + ".\r\n")
    assert (await asyncio.to_thread(busy.getreply))[0] == 250
    writer.close()
    busy.close()
    assert await daemon.ends() == 0
    await daemon.start()
    await mx.messages_arrive()


async def test_sighup_shows_a_new_certificate_to_new_sessions(daemon: Daemon) -> None:
    await daemon.start()
    before = await asyncio.to_thread(certificate, daemon)
    kept = await asyncio.to_thread(open_session, daemon)
    daemon.write_certificate()
    daemon.signal(signal.SIGHUP)
    await daemon.manager.hears("RELOADING=1")
    await daemon.manager.hears("READY=1")
    assert await asyncio.to_thread(certificate, daemon) != before
    assert (await asyncio.to_thread(kept.noop))[0] == 250
    kept.close()


async def test_sighup_with_a_bad_configuration_changes_nothing(daemon: Daemon) -> None:
    await daemon.start()
    daemon.config_file.write_text('server.hostname = "unfinished')
    daemon.signal(signal.SIGHUP)
    await daemon.manager.hears("RELOADING=1")
    await daemon.manager.hears("READY=1")
    assert "not reloaded" in daemon.log
    assert (await gets(daemon, "/ready"))[0] == 200


async def test_a_restart_under_load_refuses_no_connection(daemon: Daemon, mx: FarMx) -> None:
    await daemon.start()
    done, sent = asyncio.Event(), [0]

    async def client(number: int) -> None:
        count = 0
        while not done.is_set():
            await patiently(daemon, f"{number} {count}")
            count += 1
            sent[0] += 1

    clients = [asyncio.create_task(client(number)) for number in range(4)]
    for wanted in (5, 15, 25):
        await mx.messages_arrive(wanted)
        assert await daemon.stop() == 0
        await daemon.start()
    await mx.messages_arrive(30)
    done.set()
    await asyncio.gather(*clients)
    await mx.messages_arrive(sent[0])
    assert await daemon.stop() == 0
    assert len(mx.received) == sent[0]


async def patiently(daemon: Daemon, subject: str) -> None:
    """Send; what is told to come back later comes back. A refused connection is a failure."""
    while True:
        try:
            await asyncio.to_thread(submit, daemon, subject)
        except ConnectionRefusedError:
            raise
        except (smtplib.SMTPServerDisconnected, ConnectionResetError):
            continue
        except smtplib.SMTPResponseException as answer:
            if answer.smtp_code != 421:
                raise
        except smtplib.SMTPRecipientsRefused as answers:
            if {code for code, _ in answers.recipients.values()} != {421}:
                raise
        else:
            return


def certificate(daemon: Daemon) -> bytes:
    """The serial of what the implicit TLS door shows."""
    context = ssl.create_default_context(cafile=str(daemon.ca_file))
    with (
        socket.create_connection(("127.0.0.1", daemon.ports["submissions"])) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as channel,
    ):
        shown = channel.getpeercert(binary_form=True)
        assert shown is not None
        return shown


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_http_answers_while_the_far_side_hangs(daemon: Daemon, mx: FarMx, path: str) -> None:
    gate = mx.stalls("BANNER")
    await daemon.start()
    await sends(daemon)
    assert (await gets(daemon, path))[0] == 200
    gate.set()
    await mx.messages_arrive()


async def test_a_follower_of_events_does_not_hold_the_end(daemon: Daemon) -> None:
    key = (await daemon.do("key.create", CreateKey(name="follower")))["key"]
    await daemon.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["http"])
    fields = f"Host: localhost\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"GET /v1/events/stream HTTP/1.1\r\n{fields}\r\n".encode())
    async with asyncio.timeout(30):
        await reader.readuntil(b": following")
        await sends(daemon)
        await reader.readuntil(b"event: message.accepted\n")
        # Beyond it a stop would wait for its own patience, and end with what is left cut off.
        assert await daemon.stop() == 0
        assert (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()
