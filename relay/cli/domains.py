"""posthouse domain: the domains that mail leaves under, with their keys and DNS records."""

import sys
from typing import Any

import click
import msgspec

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, facts, status, table, when
from relay.cli.verdicts import print_verdict
from relay.control.operations.domains import (
    AddDomain,
    ChooseCatchAll,
    ChooseTracking,
    NamedDomain,
    RotateKeys,
)
from relay.control.registry import Nothing
from relay.tenants import dns_records
from relay.tenants.dns_records import DnsRecord


@click.group(cls=Group)
def domain() -> None:
    """The domains that mail leaves under, their DKIM keys and DNS records."""


def _zone_option(command: Any) -> Any:
    return click.option("--zone", is_flag=True, help="Print the records as a zone file, and nothing else.")(
        command
    )


@domain.command()
@click.argument("name")
@click.option("--assume-verified", is_flag=True, help="Take your word for the DNS: mail may leave at once.")
@click.option("--receives", is_flag=True, help="With --assume-verified: mail for the domain arrives here.")
@_zone_option
@json_option
def add(name: str, assume_verified: bool, receives: bool, zone: bool, as_json: bool) -> None:
    """Add a domain, make its DKIM keys, and print the DNS records that it needs."""
    arguments = AddDomain(name=name, assume_verified=assume_verified, receives=receives)
    _print(ask("domain.add", arguments), zone, as_json)


@domain.command("list")
@json_option
def list_domains(as_json: bool) -> None:
    """The domains, by name."""
    found = ask("domain.list", Nothing())
    if as_json:
        return print_json(found)
    rows = [
        (
            each["name"],
            status(each["status"]),
            "assumed" if each["assumed"] else when(each["verified_at"]),
            "here" if each["receives_at"] else "",
            when(each["created_at"]),
        )
        for each in found
    ]
    return table(("domain", "status", "verified", "receives", "added"), rows)


@domain.command()
@click.argument("name")
@_zone_option
@json_option
def show(name: str, zone: bool, as_json: bool) -> None:
    """One domain: status, keys, and the DNS records that it needs."""
    _print(ask("domain.show", NamedDomain(name=name)), zone, as_json)


@domain.command()
@click.argument("name")
@json_option
def verify(name: str, as_json: bool) -> None:
    """Look at the DNS now: what is expected, what is found. Exit 1 unless mail may leave."""
    print_verdict(ask("domain.verify", NamedDomain(name=name)), as_json)


@domain.command()
@click.argument("name")
@click.option("--prepare", is_flag=True, help="Only make the keys: publish their records, then rotate.")
@_zone_option
@json_option
def rotate(name: str, prepare: bool, zone: bool, as_json: bool) -> None:
    """Sign with new DKIM keys from now on.

    Mail that is signed before the new records are in the DNS may not be
    believed: use --prepare, publish, and then rotate.
    """
    rotated = ask("domain.rotate", RotateKeys(name=name, prepare=prepare))
    _print(rotated, zone, as_json)
    if not zone and not as_json:
        selectors = ", ".join(rotated["new_selectors"])
        told = "are prepared: publish them, then run rotate again" if prepare else "sign from now on"
        click.echo(f"\n{selectors} {told}")


@domain.command("set")
@click.argument("name")
@click.option("--catch-all", metavar="MAILBOX", help="Receives for every address that nobody has.")
@click.option("--no-catch-all", is_flag=True, help="Refuse mail to addresses that nobody has.")
@click.option("--track-opens/--no-track-opens", default=None, help="Emails tell when they are opened.")
@click.option("--track-clicks/--no-track-clicks", default=None, help="Emails tell which links are followed.")
@click.option(
    "--tracking-host", metavar="HOST", help="The name that tracked links show; '' for the server's."
)
@json_option
def change(
    name: str,
    catch_all: str | None,
    no_catch_all: bool,
    track_opens: bool | None,
    track_clicks: bool | None,
    tracking_host: str | None,
    as_json: bool,
) -> None:
    """Change a domain's settings."""
    caught = no_catch_all or catch_all is not None
    tracked = any(each is not None for each in (track_opens, track_clicks, tracking_host))
    if no_catch_all and catch_all is not None:
        raise click.UsageError("give either --catch-all or --no-catch-all")
    if not caught and not tracked:
        raise click.UsageError("give a setting to change")
    found: dict[str, Any] = {}
    if tracked:
        wanted = ChooseTracking(name=name, opens=track_opens, clicks=track_clicks, host=tracking_host)
        found = ask("domain.tracking", wanted)
    if caught:
        found = ask("domain.catch_all", ChooseCatchAll(name=name, mailbox=catch_all))
    _print(found, False, as_json)


@domain.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Forget a domain without mailboxes, and delete its private keys."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Remove {name} and delete its DKIM keys?", abort=True, err=True)
    removed = ask("domain.remove", NamedDomain(name=name))
    if as_json:
        return print_json(removed)
    return click.echo(f"{removed['name']} is removed")


def _links_at(found: dict[str, Any]) -> str | None:
    if found["tracking_host"] is None or found["tracking_verified_at"]:
        return found["tracking_host"] and str(found["tracking_host"])
    return f"{found['tracking_host']} (not before it is seen to lead here)"


def _print(found: dict[str, Any], zone: bool, as_json: bool) -> None:
    records = msgspec.convert(found["records"], list[DnsRecord])
    if as_json:
        return print_json(found)
    if zone:
        return click.echo(dns_records.as_zone_file(records), nl=False)
    click.echo(f"{bold(found['name'])}  {status(found['status'])}")
    facts(
        [
            ("verified", "assumed" if found["assumed"] else when(found["verified_at"])),
            ("checked", when(found["checked_at"])),
            ("receives", "mail for it arrives here" if found["receives_at"] else None),
            ("catch-all", found["catch_all"]),
            ("bounces", "signed bounce addresses" if found["bounces_verified_at"] else None),
            ("tracks", [what for what in ("opens", "clicks") if found[f"track_{what}"]]),
            ("links at", _links_at(found)),
            ("signs with", [each["selector"] for each in found["dkim_keys"] if each["status"] == "active"]),
            ("retired", [each["selector"] for each in found["dkim_keys"] if each["status"] == "retired"]),
        ]
    )
    click.echo()
    return click.echo(dns_records.as_text(records), nl=False)
