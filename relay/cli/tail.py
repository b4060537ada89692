"""posthouse tail: events as they happen."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import click
import msgspec

from relay.cli.frame import Command, ask, config, json_option, run
from relay.cli.text import dim, document, event_name, plain, when
from relay.control.client import NoDaemon
from relay.control.operations.events import Tail
from relay.control.reach import follow


@click.command(cls=Command)
@click.option("--kind", "kinds", multiple=True, help="message.bounced, or all of message.")
@click.option("--mailbox", metavar="M", help="Of this mailbox only.")
@click.option("--message", metavar="ID", help="Of this message only.")
@click.option(
    "-n", "lines", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Begin with."
)
@click.option("--follow/--no-follow", "follows", default=True, help="Wait for more.  [default: follow]")
@json_option
def tail(
    kinds: tuple[str, ...],
    mailbox: str | None,
    message: str | None,
    lines: int,
    follows: bool,
    as_json: bool,
) -> None:
    """Show the last events, then each one as it happens. --json prints one line for each."""
    arguments = Tail(kinds=kinds, mailbox=mailbox, message=message, lines=lines)
    if follows:
        try:
            return run(_print_all(follow(config(), "event.tail", arguments), as_json))
        except NoDaemon:
            pass
        except KeyboardInterrupt:
            return None
    for event in ask("event.last", arguments):
        _print(event, as_json)
    if follows:
        click.echo("no daemon is running: nothing more will come", err=True)
    return None


async def _print_all(events: AsyncGenerator[Any, None], as_json: bool) -> None:
    async with aclosing(events):
        async for event in events:
            _print(event, as_json)
    click.echo("the daemon has stopped", err=True)


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(document(msgspec.json.encode(event)))
        return
    data = event["data"]
    about = data.get("recipient") or data.get("address") or data.get("domain") or data.get("name") or ""
    told = data.get("reply") or data.get("reason") or data.get("subject") or data.get("allowance") or ""
    words = [dim(when(event["at"])), event_name(event["kind"]), event["message_id"] or ""]
    click.echo("  ".join([*words, plain(about), *([dim(told)] if told else [])]).rstrip())
