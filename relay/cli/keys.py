"""posthouse key: the keys by which programs use the HTTP API."""

from typing import Any

import click
from msgspec import UNSET

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.given import or_empty, or_none
from relay.cli.text import bold, dim, facts, status, table, when
from relay.clock import SystemClock
from relay.control.operations.keys import CreateKey, ListKeys, NamedKey, UpdateKey
from relay.tenants.api_keys import EVERYTHING


@click.group(cls=Group)
def key() -> None:
    """The keys by which programs use the HTTP API."""


@key.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--test", is_flag=True, help="Run everything, deliver to a sink.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="Such as emails:send; else all.")
@click.option("--inbox", "inboxes", multiple=True, metavar="ID", help="For these mailboxes only.")
@click.option(
    "--domain", "domains", multiple=True, metavar="NAME", help="For the mailboxes of these domains."
)
@click.option("--cidr", "cidrs", multiple=True, metavar="NET", help="Works from these networks only.")
@click.option("--expires", metavar="WHEN", help="2027-01-31T12:00:00Z, or 90d.")
@click.option("--rate", type=int, metavar="N", help="Requests a minute; else limits.api_requests_per_minute.")
@click.option("--burst", type=int, metavar="N", help="So many of them at once; else a minute's worth.")
@click.option("--tenant", metavar="ID", help="Whose key it is; else the first tenant's.")
@click.option("--root", is_flag=True, help="May make tenants, and act in any of them.")
@json_option
def create(
    name: str,
    test: bool,
    scopes: tuple[str, ...],
    inboxes: tuple[str, ...],
    domains: tuple[str, ...],
    cidrs: tuple[str, ...],
    expires: str | None,
    rate: int | None,
    burst: int | None,
    tenant: str | None,
    root: bool,
    as_json: bool,
) -> None:
    """Make a key; it is printed this once."""
    arguments = CreateKey(
        name=name,
        test=test,
        scopes=scopes or (EVERYTHING,),
        inboxes=inboxes,
        domains=domains,
        cidrs=cidrs,
        expires=expires,
        requests_per_minute=rate,
        burst=burst,
        tenant=tenant,
        root=root,
    )
    made = ask("key.create", arguments)
    if as_json:
        return print_json(made)
    _print(made)
    return click.echo(f"\nAPI key  {bold(made['key'])}  {dim('(shown this once)')}")


@key.command("list")
@click.option("--tenant", metavar="ID", help="Of this tenant; else of the first.")
@json_option
def list_keys(tenant: str | None, as_json: bool) -> None:
    """The keys, newest first."""
    found = ask("key.list", ListKeys(tenant=tenant))
    if as_json:
        return print_json(found)
    rows = [
        (
            each["id"],
            each["name"],
            each["mode"],
            status(_standing(each)),
            f"…{each['hint']}",
            each["scopes"],
            when(each["last_used_at"]),
            when(each["expires_at"]),
        )
        for each in found
    ]
    return table(("key", "name", "mode", "status", "ends in", "scopes", "last used", "expires"), rows)


@key.command()
@click.argument("key_id", metavar="ID")
@click.option("--name", help="What it is for.")
@click.option("--inbox", "inboxes", multiple=True, metavar="ID", help="For these mailboxes only.")
@click.option(
    "--domain", "domains", multiple=True, metavar="NAME", help="For the mailboxes of these domains."
)
@click.option("--cidr", "cidrs", multiple=True, metavar="NET", help="Works from these networks only.")
@click.option("--rate", type=int, metavar="N", help="Requests a minute.")
@click.option("--burst", type=int, metavar="N", help="So many of them at once.")
@click.option("--no-inboxes", is_flag=True, help="Bound to no mailbox by itself any more.")
@click.option("--no-domains", is_flag=True, help="Bound to no domain any more.")
@click.option("--no-cidrs", is_flag=True, help="Works from everywhere.")
@click.option("--default-rate", is_flag=True, help="Let limits.api_requests_per_minute hold again.")
@click.option("--default-burst", is_flag=True, help="A minute's worth may come at once again.")
@json_option
def update(key_id: str, as_json: bool, **given: Any) -> None:
    """Change a key; what is not given stays. --inbox, --domain and --cidr replace what was there.

    A key that is bound to no mailbox and no domain reaches all that is its tenant's.
    """
    arguments = UpdateKey(
        id=key_id,
        name=UNSET if given["name"] is None else given["name"],
        inboxes=or_empty(given, "inboxes", "no_inboxes"),
        domains=or_empty(given, "domains", "no_domains"),
        cidrs=or_empty(given, "cidrs", "no_cidrs"),
        requests_per_minute=or_none(given, "rate", "default_rate"),
        burst=or_none(given, "burst", "default_burst"),
    )
    if arguments == UpdateKey(id=key_id):
        raise click.UsageError("nothing to change is given")
    changed = ask("key.update", arguments)
    if as_json:
        return print_json(changed)
    return _print(changed)


@key.command()
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Let a key work no more."""
    revoked = ask("key.revoke", NamedKey(id=key_id))
    if as_json:
        return print_json(revoked)
    return click.echo(f"{revoked['name']} ({revoked['id']}) is revoked")


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{bold(found['name'])}  {found['mode']}  {dim(found['id'])}")
    facts(
        [
            ("scopes", found["scopes"]),
            ("inboxes", found["inboxes"]),
            ("domains", found["domains"]),
            ("networks", found["cidrs"]),
            ("requests a minute", found["requests_per_minute"]),
            ("at once", found["burst"]),
            ("expires", when(found["expires_at"])),
        ]
    )


def _standing(found: dict[str, Any]) -> str:
    if found["revoked_at"]:
        return "revoked"
    expires_at = found["expires_at"]
    now = SystemClock().now().isoformat().replace("+00:00", "Z")
    return "expired" if expires_at is not None and expires_at <= now else "active"
