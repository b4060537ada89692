"""`posthouse dev`: a whole house on loopback, one message sent round it, and what to try next."""

import asyncio
import json
import os
import shlex
import smtplib
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvloop

from relay.address import parse_address
from relay.clock import SystemClock
from relay.config import build_config
from relay.control.server import control_server
from relay.daemon.demo import APPLICATION, FAR, INBOX, Credentials, furnish
from relay.daemon.process import Running, run_station, serve_until_stopped
from relay.daemon.sink import Caught, SinkDoor
from relay.daemon.tls import write_self_signed
from relay.errors import PosthouseError
from relay.queue import records as queue
from relay.queue.state import FINAL
from relay.signing.keys import KeyRing
from relay.smtp_server import SmtpManners, listen
from relay.spool import records as spool
from relay.telemetry import set_up_logging

CONFIG_FILE = "config.toml"
HOSTNAME = "localhost"
PATIENCE_SECONDS = 30.0


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), help="Where to keep it.")
def dev(data: Path) -> None:
    """Try it: everything on loopback, nothing to configure, no DNS."""
    set_up_logging(level="warning")
    uvloop.run(_dev(data.absolute()))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the receipt; `seconds` since the message was handed in."""

    what: str
    detail: str
    seconds: float


async def _dev(data: Path) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if data.stat().st_uid != os.geteuid():
        raise PosthouseError(f"{data} is another user's: run this as that user, or try --data DIR")
    certificate, key = write_self_signed(data, HOSTNAME, SystemClock())
    clock, keys = SystemClock(), KeyRing(data / "dkim_keys")
    sink = SinkDoor(data / "sink", keys, clock)
    manners = SmtpManners(hostname="mx.elsewhere.test", spool=data, name="sink", offers_dsn=False)
    far_side = await listen(("127.0.0.1", 0), sink, manners)
    settings = _settings(data, certificate, key, far_side.port)
    config = build_config(settings, base=data)
    async with run_station(config) as running, control_server(running.station):
        _write_down(settings, data / CONFIG_FILE)
        credentials = await furnish(running.station)
        message_id, receipt = await _send_round(running, sink, credentials)
        _print_receipt(receipt)
        _print_what_to_try(message_id, credentials, data)
        await serve_until_stopped(running)
    await far_side.drain(config.server.drain_timeout)


def _settings(data: Path, certificate: Path, key: Path, far_port: int) -> dict[str, Any]:
    """The configuration of this house."""
    return {
        "server.hostname": HOSTNAME,
        "server.data_dir": str(data),
        "submission.listen": ["127.0.0.1:2587"],
        "submission.listen_tls": ["127.0.0.1:2465"],
        "inbound.listen": ["127.0.0.1:2525"],
        "api.listen": ["127.0.0.1:8025"],
        "tls.certificate": str(certificate),
        "tls.private_key": str(key),
        "dkim.key_dir": str(data / "dkim_keys"),
        "delivery.smarthost": f"127.0.0.1:{far_port}",
        "store.min_free": "64MiB",
    }


def _write_down(settings: dict[str, Any], file: Path) -> None:
    """So that commands find the house, also when it is not running."""
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))


async def _send_round(running: Running, sink: SinkDoor, credentials: Credentials) -> tuple[str, list[Step]]:
    """Hand in one message for the far side and for a mailbox here; follow it to both."""
    began = time.monotonic()
    tls, reply = await asyncio.to_thread(_submit, credentials)
    steps = [Step("submitted", f"{APPLICATION} on 2587, STARTTLS {tls}, AUTH", time.monotonic() - began)]
    message_id = reply.rsplit(" ", 1)[-1]
    steps.append(Step("stored", f"250 {reply}", time.monotonic() - began))
    async with asyncio.timeout(PATIENCE_SECONDS):
        caught = await _caught(sink)
        steps.append(Step("delivered", f"to {FAR}, by SMTP to the built-in sink", time.monotonic() - began))
        steps += [Step("verified", verdict, time.monotonic() - began) for verdict in caught.signatures]
        await _settled(running, message_id)
    received = await _received(running)
    waiting = f"{received} message" + ("s" if received != 1 else "")
    steps.append(Step("received", f"by {INBOX}, {waiting} there", time.monotonic() - began))
    return message_id, steps


def _submit(credentials: Credentials) -> tuple[str, str]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own certificate, on loopback
    message = (
        f"From: Demo application <{APPLICATION}>\r\nTo: {FAR}, {INBOX}\r\n"
        "Subject: The first ride\r\n\r\nFresh horses are ready.\r\n"
    )
    with smtplib.SMTP("127.0.0.1", 2587, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=context)
        client.login(credentials.login, credentials.smtp_password)
        client.mail(APPLICATION)
        for recipient in (FAR, INBOX):
            client.rcpt(recipient)
        code, reply = client.data(message)
        assert isinstance(client.sock, ssl.SSLSocket)
        version = client.sock.version() or "?"
    if code != 250:
        raise PosthouseError(f"the demo message was refused: {code} {reply.decode()}")
    return version, reply.decode()


async def _caught(sink: SinkDoor) -> Caught:
    await sink.arrived.wait()
    return sink.caught[-1]


async def _settled(running: Running, message_id: str) -> None:
    while True:
        recipients = await queue.of_message(running.station.db, message_id)
        if all(recipient.state in FINAL for recipient in recipients):
            return
        await asyncio.sleep(0.01)


async def _received(running: Running) -> int:
    mailbox = await running.station.directory.mailbox_for_address(parse_address(INBOX))
    assert mailbox is not None
    return len(await spool.received_by(running.station.db, mailbox.id, 100))


def _print_receipt(steps: list[Step]) -> None:
    click.secho("\nOne message has gone round:", bold=True)
    tick = click.style("✓", fg="green")
    for step in steps:
        click.echo(f"  {tick} {step.what:<10} {step.detail:<62} {step.seconds * 1000:6.0f} ms")


def _print_what_to_try(message_id: str, credentials: Credentials, data: Path) -> None:
    click.secho("\nTry it from another terminal:", bold=True)
    login, password = credentials.login, credentials.smtp_password
    posthouse = f"{_shown(Path(sys.executable).parent / 'posthouse')} --config {_shown(data / CONFIG_FILE)}"
    click.echo(
        f"""
  swaks --server 127.0.0.1:2587 --tls --auth-user {login} --auth-password {password} \\
        --from {login} --to you@elsewhere.test

  swaks --server 127.0.0.1:2525 --from you@elsewhere.test --to {INBOX}

  {posthouse} explain {message_id}
  {posthouse} mailbox show {INBOX}
  {posthouse} tail

  curl http://127.0.0.1:8025/ready
  curl http://127.0.0.1:8025/metrics

  python3 - <<'END'
  import smtplib, ssl
  s = smtplib.SMTP_SSL("127.0.0.1", 2465, context=ssl._create_unverified_context())
  s.login("{login}", "{password}")
  s.sendmail("{login}", ["you@elsewhere.test"], "From: {login}\\r\\nSubject: hi\\r\\n\\r\\nHello!\\r\\n")
  END

Mail for other domains ends in the built-in sink: {_shown(data / "sink")}
MX 2525 · submission 2587 (STARTTLS) and 2465 (TLS) · API 8025 · all on 127.0.0.1, Ctrl-C stops
"""
    )


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
