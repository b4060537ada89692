"""posthouse queue: what waits, and turning it by hand."""

from typing import Any

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, count, dim, facts, how_long_until, plain, size, status, table, when
from relay.control.operations.queue import Chosen, ListQueue, NamedMessage
from relay.queue.listing import WAITING
from relay.queue.state import State


@click.group(cls=Group)
def queue() -> None:
    """What waits, for which destination, and why; and turning it by hand."""


@queue.command("list")
@click.option("--destination", metavar="D", help="Only mail for this domain.")
@click.option("--mailbox", metavar="M", help="Only mail of this mailbox.")
@click.option("--state", type=click.Choice([each.value for each in WAITING]), help="Only in this state.")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_queue(
    destination: str | None, mailbox: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """Waiting recipients, soonest due first."""
    arguments = ListQueue(
        destination=destination, mailbox=mailbox, state=State(state) if state else None, limit=limit
    )
    found = ask("queue.list", arguments)
    if as_json:
        return print_json(found["recipients"])
    if not found["recipients"]:
        return click.echo("nothing waits")
    _print_recipients(found["recipients"])
    more = found["total"] - len(found["recipients"])
    return click.echo(dim(f"… and {more} more")) if more > 0 else None


@queue.command()
@click.argument("message")
@json_option
def show(message: str, as_json: bool) -> None:
    """One message and each of its recipients."""
    found = ask("queue.show", NamedMessage(message=message))
    if as_json:
        return print_json(found)
    print_message(found)
    click.echo()
    return _print_recipients([{**each, "message_id": ""} for each in found["recipients"]])


def _turning(name: str, does: str, done: str) -> None:
    """One of the commands that change what is chosen."""

    @queue.command(name, help=f"{does} Leaves alone what is in an attempt.")
    @click.argument("message", required=False)
    @click.option("--destination", metavar="D", help="Everything for this domain.")
    @click.option("--mailbox", metavar="M", help="Everything of this mailbox.")
    @json_option
    def turn(message: str | None, destination: str | None, mailbox: str | None, as_json: bool) -> None:
        if message is None and destination is None and mailbox is None:
            raise click.UsageError("name a MESSAGE, --destination or --mailbox")
        chosen = Chosen(message=message, destination=destination, mailbox=mailbox)
        found = ask(f"queue.{name}", chosen)
        if as_json:
            return print_json(found)
        return _print_change(found, done)


_turning("retry", "Try again now.", "due now")
_turning("hold", "Hold until somebody releases it.", "held")
_turning("release", "Let held mail travel.", "released")
_turning("cancel", "Take it back; its allowance returns.", "canceled")


def print_message(found: dict[str, Any]) -> None:
    """The facts of one message, for people."""
    click.echo(f"{bold(found['id'])}  {status(found['status'])}  {dim(size(found['size']))}")
    facts(
        [
            ("from", found["from"]),
            ("reverse path", f"<{found['reverse_path']}>"),
            ("subject", found["subject"]),
            ("tags", found["tags"]),
            ("came by", found["source"]),
            ("at", when(found["created_at"])),
            ("send at", when(found["send_at"])),
        ]
    )


def _print_recipients(recipients: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["message_id"],
            each["address"],
            status(each["status"]),
            each["reason"],
            each["attempts"],
            how_long_until(each["next_attempt_at"]),
            each["reply"],
        )
        for each in recipients
    ]
    headings = ("message", "recipient", "status", "reason", "attempts", "next", "last reply")
    if not any(row[0] for row in rows):
        headings, rows = headings[1:], [row[1:] for row in rows]  # type: ignore[assignment,misc]
    table(headings, rows)


def _print_change(found: dict[str, Any], done: str) -> None:
    click.echo(f"{count(found['changed'], 'recipient')} {done}")
    for each in found["recipients"]:
        # What was released may turn out to be suppressed meanwhile.
        if each["status"] == State.SUPPRESSED.value:
            click.echo(f"  {plain(each['address'])}: suppressed ({plain(each['reason'])})")
    for each in found["in_attempt"]:
        click.echo(f"  {plain(each['address'])}: in an attempt, not changed")
    for each in found["unchanged"]:
        click.echo(f"  {plain(each['address'])}: {status(each['status'])}, not changed")
