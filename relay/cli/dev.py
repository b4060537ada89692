"""`posthouse dev`: a whole house on loopback, one message sent round it, and what to try next."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import uvloop

from relay.cli.dev_round import API, Receipt, send_round
from relay.clock import SystemClock
from relay.config import build_config
from relay.control.server import control_server
from relay.daemon.demo import INBOX, Credentials, furnish
from relay.daemon.process import run_station, serve_until_stopped
from relay.daemon.sink import SinkDoor
from relay.daemon.tls import write_self_signed
from relay.errors import PosthouseError
from relay.signing.keys import KeyRing
from relay.smtp_server import SmtpManners, listen
from relay.telemetry.logs import set_up_logging

CONFIG_FILE = "config.toml"
HOSTNAME = "localhost"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), help="Where to keep it.")
def dev(data: Path) -> None:
    """Try it: everything on loopback, nothing to configure, no DNS."""
    set_up_logging(level="warning")
    uvloop.run(_dev(data.absolute()))


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
        receipt = await send_round(running, sink, credentials)
        _print_receipt(receipt)
        _print_what_to_try(receipt.message_id, credentials, data)
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
        # Whoever tries this listens on this machine.
        "webhooks.allow_private_networks": True,
    }


def _write_down(settings: dict[str, Any], file: Path) -> None:
    """So that commands find the house, also when it is not running."""
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))


def _print_receipt(receipt: Receipt) -> None:
    click.secho("\nOne message has gone round:", bold=True)
    tick = click.style("✓", fg="green")
    for step in receipt.steps:
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

  curl -H 'Authorization: Bearer {credentials.api_key}' \\
       {API}/v1/inboxes/{INBOX}/messages

  curl -H 'Authorization: Bearer {credentials.api_key}' -H 'Content-Type: application/json' \\
       -d '{{"to": "you@elsewhere.test", "subject": "hi", "text": "Hello!"}}' \\
       {API}/v1/inboxes/{INBOX}/messages

  python3 - <<'END'
  import smtplib, ssl
  s = smtplib.SMTP_SSL("127.0.0.1", 2465, context=ssl._create_unverified_context())
  s.login("{login}", "{password}")
  s.sendmail("{login}", ["you@elsewhere.test"], "From: {login}\\r\\nSubject: hi\\r\\n\\r\\nHello!\\r\\n")
  END

All calls of the API: {API}/openapi.json
Mail for other domains ends in the built-in sink: {_shown(data / "sink")}
MX 2525 · submission 2587 (STARTTLS) and 2465 (TLS) · API 8025 · all on 127.0.0.1, Ctrl-C stops
"""
    )


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
