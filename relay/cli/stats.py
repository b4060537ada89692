"""posthouse stats: counters, what waits, how the store is."""

from typing import Any

import click

from relay.cli.frame import Command, ask, json_option, print_json
from relay.cli.text import bold, facts, how_long_until, plain, size, status, table
from relay.control.operations.stats import COUNTED
from relay.control.registry import Nothing


@click.command(cls=Command)
@json_option
def stats(as_json: bool) -> None:
    """What happened today and in the last hour, what waits, and how the store is."""
    found = ask("stats", Nothing())
    if as_json:
        return print_json(found)
    table(
        ("", "today", "last hour"),
        [(name, found["today"][name], found["last_hour"][name]) for name in COUNTED],
    )
    click.echo()
    _print_queue(found["queue"])
    click.echo()
    return _print_store(found["store"], found["daemon"])


def _print_queue(queue: dict[str, Any]) -> None:
    waiting = ", ".join(f"{number} {state}" for state, number in queue["by_state"].items() if number)
    click.echo(f"{bold('queue')}  {waiting or 'nothing waits'}")
    rows = [
        (each["destination"], status(each["status"]), each["recipients"], how_long_until(each["oldest_at"]))
        for each in queue["destinations"][:20]
    ]
    table(("destination", "status", "recipients", "oldest"), rows)


def _print_store(store: dict[str, Any], has_daemon: bool) -> None:
    accepting = click.style("accepting", fg="green") if store["accepting"] else ""
    trouble = click.style(plain(store["trouble"]), fg="red") if store["trouble"] else ""
    facts(
        [
            ("store", store["path"]),
            ("state", trouble or accepting),
            ("size", f"{size(store['size'])}, bodies {size(store['bodies'])}, {size(store['free'])} free"),
            ("daemon", "running" if has_daemon else "not running"),
        ]
    )
