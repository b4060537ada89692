"""posthouse tenant: the customers of this house, what they may send and what they have sent."""

from typing import Any

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, dim, facts, plain, status, table, when
from relay.control.operations.tenants import AddTenant, NamedTenant, SetTenant
from relay.control.registry import Nothing

_quota = click.option(
    "--monthly-quota", type=click.IntRange(0), metavar="N", help="Recipients a month; else no limit."
)


_LINE = 60


@click.group(cls=Group)
def tenant() -> None:
    """The customers of this house."""


@tenant.command()
@click.argument("name")
@_quota
@json_option
def add(name: str, monthly_quota: int | None, as_json: bool) -> None:
    """Add a tenant; `posthouse key create --tenant ID` makes its first key."""
    _print(ask("tenant.add", AddTenant(name=name, monthly_quota=monthly_quota)), as_json)


@tenant.command("list")
@json_option
def list_tenants(as_json: bool) -> None:
    """The tenants, oldest first."""
    found = ask("tenant.list", Nothing())
    if as_json:
        return print_json(found)
    rows = [
        (
            each["id"],
            plain(each["name"]),
            status(each["status"]),
            each["monthly_quota"],
            when(each["created_at"]),
        )
        for each in found
    ]
    return table(("tenant", "name", "status", "monthly quota", "since"), rows)


@tenant.command()
@click.argument("tenant_id", metavar="ID")
@json_option
def show(tenant_id: str, as_json: bool) -> None:
    """One tenant, and what it has used."""
    _print(ask("tenant.show", NamedTenant(id=tenant_id)), as_json)


@tenant.command("set")
@click.argument("tenant_id", metavar="ID")
@click.option("--name", help="How it is called.")
@_quota
@click.option("--no-quota", is_flag=True, help="It may send as much as its mailboxes.")
@click.option("--paused/--active", default=None, help="Paused, it sends nothing new, and still receives.")
@click.option("--footer-text", metavar="TEXT", help="What stands below all its emails; '' takes it away.")
@click.option("--footer-html", metavar="HTML", help="The same in html, as it is.")
@click.option("--postal-address", metavar="TEXT", help="Stands below that; '' takes it away.")
@json_option
def set_tenant(tenant_id: str, as_json: bool, **given: Any) -> None:
    """Change what is given; the rest stays."""
    wanted = SetTenant(id=tenant_id, **given)
    if wanted == SetTenant(id=tenant_id):
        raise click.UsageError("nothing to change is given")
    _print(ask("tenant.set", wanted), as_json)


@tenant.command()
@click.argument("tenant_id", metavar="ID")
@json_option
def suspend(tenant_id: str, as_json: bool) -> None:
    """Shut it: its keys open nothing, and it sends nothing new."""
    _print(ask("tenant.suspend", NamedTenant(id=tenant_id)), as_json)


@tenant.command()
@click.argument("tenant_id", metavar="ID")
@json_option
def resume(tenant_id: str, as_json: bool) -> None:
    """Let it go on."""
    _print(ask("tenant.resume", NamedTenant(id=tenant_id)), as_json)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(found)
    click.echo(f"{bold(plain(found['name']))}  {status(found['status'])}  {dim(found['id'])}")
    quota, used, settings = found["monthly_quota"], found.get("used_this_month"), found["settings"]
    return facts(
        [
            ("monthly quota", quota),
            ("used this month", used and f"{used['recipients']} recipients {_doors(used)}"),
            ("left", found.get("quota_left")),
            ("more at", when(found.get("resets_at"))),
            *((_SETTINGS[name], _brief(text)) for name, text in settings.items()),
        ]
    )


_SETTINGS = {"footer_text": "footer", "footer_html": "footer in html", "postal_address": "postal address"}


def _brief(text: str) -> str:
    """On one line, as far as it goes there."""
    line = plain(" ".join(text.split()))
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"


def _doors(used: dict[str, Any]) -> str:
    doors = ", ".join(f"{door} {count}" for door, count in used["by_door"].items())
    return dim(f"({doors})") if doors else ""
