"""posthouse key: the keys by which programs use the HTTP API."""

from typing import Any

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, dim, facts, status, table, when
from relay.clock import SystemClock
from relay.control.operations.keys import CreateKey, NamedKey
from relay.control.registry import Nothing
from relay.tenants.api_keys import EVERYTHING


@click.group(cls=Group)
def key() -> None:
    """The keys by which programs use the HTTP API."""


@key.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--test", is_flag=True, help="Run everything, deliver to a sink.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="Such as emails:send; else all.")
@click.option("--inbox", metavar="ID", help="For this mailbox only.")
@click.option("--cidr", "cidrs", multiple=True, metavar="NET", help="Works from these networks only.")
@click.option("--expires", metavar="WHEN", help="2027-01-31T12:00:00Z, or 90d.")
@json_option
def create(
    name: str,
    test: bool,
    scopes: tuple[str, ...],
    inbox: str | None,
    cidrs: tuple[str, ...],
    expires: str | None,
    as_json: bool,
) -> None:
    """Make a key; it is printed this once."""
    arguments = CreateKey(
        name=name,
        test=test,
        scopes=scopes or (EVERYTHING,),
        inbox=inbox,
        cidrs=cidrs,
        expires=expires,
    )
    made = ask("key.create", arguments)
    if as_json:
        return print_json(made)
    click.echo(f"{bold(made['name'])}  {made['mode']}  {dim(made['id'])}")
    facts(
        [
            ("scopes", made["scopes"]),
            ("inbox", made["inbox_id"]),
            ("networks", made["cidrs"]),
            ("expires", when(made["expires_at"])),
        ]
    )
    return click.echo(f"\nAPI key  {bold(made['key'])}  {dim('(shown this once)')}")


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """The keys, newest first."""
    found = ask("key.list", Nothing())
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
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Let a key work no more."""
    revoked = ask("key.revoke", NamedKey(id=key_id))
    if as_json:
        return print_json(revoked)
    return click.echo(f"{revoked['name']} ({revoked['id']}) is revoked")


def _standing(found: dict[str, Any]) -> str:
    if found["revoked_at"]:
        return "revoked"
    expires_at = found["expires_at"]
    now = SystemClock().now().isoformat().replace("+00:00", "Z")
    return "expired" if expires_at is not None and expires_at <= now else "active"
