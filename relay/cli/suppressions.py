"""posthouse suppression: addresses that are not to be written to."""

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import plain, table, when
from relay.control.operations.suppressions import AddSuppression, ListSuppressions, NamedAddress
from relay.suppressions.reasons import SuppressionReason


@click.group(cls=Group)
def suppression() -> None:
    """The addresses that are not to be written to."""


@suppression.command()
@click.argument("address")
@click.option(
    "--reason",
    type=click.Choice([each.value for each in SuppressionReason]),
    default=SuppressionReason.MANUAL.value,
    show_default=True,
)
@click.option("--expires", metavar="WHEN", help="2027-01-31T12:00:00Z, or 90d; else it stays.")
@json_option
def add(address: str, reason: str, expires: str | None, as_json: bool) -> None:
    """Write to an address no more."""
    arguments = AddSuppression(address=address, reason=SuppressionReason(reason), expires=expires)
    found = ask("suppression.add", arguments)
    if as_json:
        return print_json(found)
    told = "is suppressed" if found["added"] else "was suppressed already"
    until = f" until {when(found['expires_at'])}" if found["expires_at"] else ""
    return click.echo(f"{plain(found['address'])} {told} ({found['reason']}){until}")


@suppression.command("list")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_suppressions(limit: int, as_json: bool) -> None:
    """The newest entries first."""
    found = ask("suppression.list", ListSuppressions(limit=limit))
    if as_json:
        return print_json(found)
    rows = [
        (
            each["address"],
            each["reason"],
            when(each["created_at"]),
            when(each["expires_at"]),
            each["source_message_id"],
        )
        for each in found
    ]
    return table(("address", "reason", "since", "until", "because of"), rows)


@suppression.command()
@click.argument("address")
@json_option
def remove(address: str, as_json: bool) -> None:
    """Let an address be written to again."""
    removed = ask("suppression.remove", NamedAddress(address=address))
    if as_json:
        return print_json(removed)
    return click.echo(f"{plain(removed['address'])} may be written to again")
