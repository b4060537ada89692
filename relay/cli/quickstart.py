"""posthouse quickstart: from a machine with Posthouse on it to one that relays mail."""

import os
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click
import msgspec

from relay.address import Address, InvalidAddress, is_literal, parse_address
from relay.cli.frame import Command, json_option, print_json
from relay.cli.text import bold, plain, table
from relay.clock import SystemClock
from relay.config.values import read_hostname
from relay.delivery.networks import is_public
from relay.errors import InvalidInput, PosthouseError
from relay.quickstart.builder import Builder, Deed, Step
from relay.quickstart.settings import CERTIFICATE, PRIVATE_KEY
from relay.quickstart.setup import CONFIG, Result, Wishes, set_up
from relay.resolver import IpAddress
from relay.tenants.dns_records import DnsRecord, data_of

ROOT = Path("/")
_COLOURS = {Deed.MADE: "green", Deed.RENEWED: "green", Deed.DIFFERS: "yellow", Deed.PLANNED: "cyan"}


class NeedsRoot(PosthouseError):
    """Users, /etc and ports below 1024 are root's."""


@click.command(cls=Command)
@click.argument("address")
@click.option(
    "--hostname", required=True, help="The name of this machine in the DNS, such as mail.example.com."
)
@click.option(
    "--prefix", type=click.Path(path_type=Path, file_okay=False), default=ROOT, help="Stage below DIR."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--no-systemd", is_flag=True, help="Listen on addresses, and install no units.")
@click.option("--renew-units", is_flag=True, help="Replace units that differ from this version's.")
@json_option
def quickstart(
    address: str,
    hostname: str,
    prefix: Path,
    dry_run: bool,
    no_systemd: bool,
    renew_units: bool,
    as_json: bool,
) -> None:
    """Set this machine up as a mail relay, with ADDRESS as its first mailbox.

    Makes a system user, a configuration, systemd units, DKIM keys, the domain
    and the mailbox; tells which DNS records to publish. What exists is kept.
    """
    wishes = Wishes(_read_address(address), _read_hostname(hostname), not no_systemd, renew_units)
    if prefix == ROOT and not dry_run and os.geteuid() != 0:
        raise NeedsRoot("quickstart makes a user and writes to /etc: run it with sudo, or try --prefix DIR")
    builder = Builder(prefix.absolute(), dry_run)
    result = set_up(wishes, builder, SystemClock())
    if as_json:
        return print_json(_as_dict(wishes, builder, result))
    return _print(wishes, builder, result)


def _read_address(text: str) -> Address:
    try:
        address = parse_address(text)
    except InvalidAddress as error:
        raise InvalidInput(f"{text!r} is not an address: {error}") from None
    if is_literal(address.domain) or "." not in address.domain:
        raise InvalidInput(f"{text!r}: an address of your own domain is needed, such as you@example.com")
    return address


def _read_hostname(text: str) -> str:
    try:
        hostname = read_hostname(text)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if is_literal(hostname) or "." not in hostname:
        raise InvalidInput(f"--hostname {text}: a full name is needed, such as mail.example.com")
    return hostname


def _print(wishes: Wishes, builder: Builder, result: Result) -> None:
    _print_steps(builder.steps)
    configured = result.config.server.hostname
    if configured != wishes.hostname:
        click.echo(f"\n{CONFIG} names this machine {configured}; that holds, not {wishes.hostname}")
    if result.household is None:
        click.echo(
            "\nNothing was touched. Without --dry-run the DKIM keys are made, and their records shown."
        )
        return
    zone = f"posthouse domain show {wishes.address.domain} --zone"
    click.echo(f"\n{bold('DNS records to publish')} (as a zone file: {zone})\n")
    table(("", "type", "name", "value"), _table(result))
    click.echo(f"\nAsk the provider of this machine's address to set its PTR record to {configured}.")
    _print_password(wishes, result)
    _print_next(wishes, result)


def _print_steps(steps: Iterable[Step]) -> None:
    for step in steps:
        deed = click.style(step.deed.ljust(len(Deed.DIFFERS)), fg=_COLOURS.get(step.deed))
        click.echo(f"{deed}  {plain(step.what)}{f' ({step.note})' if step.note else ''}")


def _print_password(wishes: Wishes, result: Result) -> None:
    password = result.household.smtp_password if result.household else None
    if password is None:
        click.echo(
            f"\nThe mailbox was there; a new password: posthouse mailbox set {wishes.address} --new-password"
        )
        return
    click.echo(f"\nSMTP login     {wishes.address}")
    click.echo(f"SMTP password  {bold(password)}  (shown once)")
    click.echo(f"Server         {result.config.server.hostname}, port 587 STARTTLS or 465 TLS")


def _print_next(wishes: Wishes, result: Result) -> None:
    start = (
        "systemctl enable --now posthouse.target"
        if wishes.systemd
        else "setpriv --reuid posthouse --regid posthouse --init-groups posthouse serve"
    )
    click.echo(
        f"""
Next:
  1. publish the records above, then: posthouse domain verify {wishes.address.domain}
  2. {start}
  3. posthouse doctor"""
    )
    if result.config.tls.certificate is None or result.config.tls.certificate.name == Path(CERTIFICATE).name:
        click.echo(
            f"""\
  4. a certificate that clients believe (the present one is signed by itself):
       certbot certonly --standalone -d {wishes.hostname} --deploy-hook \\
         'install -o posthouse -m 0644 "$RENEWED_LINEAGE/fullchain.pem" {CERTIFICATE} &&
          install -o posthouse -m 0600 "$RENEWED_LINEAGE/privkey.pem" {PRIVATE_KEY} &&
          systemctl reload posthouse'"""
        )


def _table(result: Result) -> list[Sequence[str]]:
    assert result.household is not None
    return [
        *(_host_row(result.config.server.hostname, ip) for ip in _public(result.leaving)),
        *(_row(record) for record in msgspec.convert(result.household.domain["records"], list[DnsRecord])),
    ]


def _public(addresses: Sequence[IpAddress]) -> list[IpAddress | None]:
    """Those that the world sees; None stands for the one that only the provider knows."""
    return [ip for ip in addresses if is_public(ip)] or [None]


def _host_row(hostname: str, ip: IpAddress | None) -> Sequence[str]:
    kind = "A" if ip is None or isinstance(ip, IPv4Address) else "AAAA"
    return ("required", kind, hostname, str(ip or "the public address of this machine"))


def _row(record: DnsRecord) -> Sequence[str]:
    return ("required" if record.required else "", record.type, record.name, data_of(record))


def _as_dict(wishes: Wishes, builder: Builder, result: Result) -> dict[str, Any]:
    household = result.household
    return {
        "steps": [{"what": step.what, "deed": step.deed, "note": step.note} for step in builder.steps],
        "hostname": result.config.server.hostname,
        "address": str(wishes.address),
        "domain": household.domain if household else None,
        "mailbox": household.mailbox["id"] if household else None,
        "smtp_password": household.smtp_password if household else None,
        "records": [
            {"type": row[1], "name": row[2], "value": row[3], "required": bool(row[0])}
            for row in (_table(result) if household else [])
        ],
    }
