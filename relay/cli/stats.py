"""posthouse stats: counters, what waits, how the store is."""

from typing import Any

import click

from relay.cli.frame import Command, ask, json_option, print_json
from relay.cli.text import bold, facts, how_long_until, plain, size, status, table
from relay.control.operations.figures import COMPARED, AskedFigures
from relay.control.operations.stats import COUNTED
from relay.control.registry import Nothing

_COLUMNS = ("sent", "delivered", "bounced", "complained", "opened", "clicked")


@click.command(cls=Command)
@click.option("--period", metavar="SPAN", help="What became of the mail of the last 24h, 7d …")
@click.option("--by", type=click.Choice(COMPARED), help="One row each; of 24h unless --period says more.")
@click.option("--count-anew", is_flag=True, help="Count the figures once more from the event log.")
@json_option
def stats(period: str | None, by: str | None, count_anew: bool, as_json: bool) -> None:
    """What happened today and in the last hour, what waits, and how the store is; or figures of a period."""
    if count_anew:
        return _count_anew(as_json)
    if period or by:
        return _figures(AskedFigures(period=period or "24h", by=by), as_json)  # type: ignore[arg-type]
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


def _count_anew(as_json: bool) -> None:
    found = ask("figures.count_anew", Nothing())
    if as_json:
        return print_json(found)
    return click.echo(
        "counted" if found["is_done"] else "the daemon counts anew; figures are incomplete until then"
    )


def _figures(asked: AskedFigures, as_json: bool) -> None:
    found = ask("figures", asked)
    if as_json:
        return print_json(found)
    heads = (asked.by or "", *_COLUMNS, "bounce rate", "complaint rate", "median", "95 %")
    return table(heads, [_figures_row(each) for each in found["data"]])


def _figures_row(row: dict[str, Any]) -> tuple[Any, ...]:
    rates = [_percent(row[name]) for name in ("bounce_rate", "complaint_rate")]
    times = [_seconds(row[name]) for name in ("median_seconds", "p95_seconds")]
    return (plain(row["value"] or "all"), *(row[name] for name in _COLUMNS), *rates, *times)


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate * 100:.2f} %"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3g} s"


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
