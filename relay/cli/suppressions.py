"""posthouse suppression: addresses that are not to be written to."""

import csv
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import plain, table, when
from relay.control.operations.suppressions import AddSuppression, ImportList, ListSuppressions, NamedAddress
from relay.suppressions.reasons import SuppressionReason

_COLUMNS = ("address", "reason", "stream", "expires_at")
_AT_ONCE = 1000


@click.group(cls=Group)
def suppression() -> None:
    """The addresses that are not to be written to."""


def _stream_option(command: Any) -> Any:
    return click.option("--stream", metavar="NAME", help="For one stream of mail only.")(command)


@suppression.command()
@click.argument("address")
@click.option(
    "--reason",
    type=click.Choice([each.value for each in SuppressionReason]),
    default=SuppressionReason.MANUAL.value,
    show_default=True,
)
@click.option("--expires", metavar="WHEN", help="2027-01-31T12:00:00Z, or 90d; else it stays.")
@_stream_option
@json_option
def add(address: str, reason: str, expires: str | None, stream: str | None, as_json: bool) -> None:
    """Write to an address no more."""
    arguments = AddSuppression(
        address=address, reason=SuppressionReason(reason), expires=expires, stream=stream
    )
    found = ask("suppression.add", arguments)
    if as_json:
        return print_json(found)
    told = "is suppressed" if found["added"] else "was suppressed already"
    until = f" until {when(found['expires_at'])}" if found["expires_at"] else ""
    return click.echo(f"{plain(found['address'])} {told} ({found['reason']}){until}")


@suppression.command("list")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_stream_option
@json_option
def list_suppressions(limit: int, stream: str | None, as_json: bool) -> None:
    """The newest entries first."""
    found = ask("suppression.list", ListSuppressions(limit=limit, stream=stream))
    if as_json:
        return print_json(found)
    rows = [
        (
            each["address"],
            each["reason"],
            each["stream"] or "",
            when(each["created_at"]),
            when(each["expires_at"]),
            each["source_message_id"],
        )
        for each in found
    ]
    return table(("address", "reason", "stream", "since", "until", "because of"), rows)


@suppression.command()
@click.argument("address")
@_stream_option
@json_option
def remove(address: str, stream: str | None, as_json: bool) -> None:
    """Let an address be written to again."""
    removed = ask("suppression.remove", NamedAddress(address=address, stream=stream))
    if as_json:
        return print_json(removed)
    return click.echo(f"{plain(removed['address'])} may be written to again")


@suppression.command("import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@click.option("--dry-run", is_flag=True, help="Try everything, and keep nothing.")
@json_option
def import_list(file: TextIO, dry_run: bool, as_json: bool) -> None:
    """Suppress the addresses of a CSV file: address, reason, stream, expires_at.

    All but the address may be empty; a first row may name the columns. Rows
    that are wrong are told, and keep no others out.
    """
    told: dict[str, Any] = {"rows": 0, "added": 0, "unchanged": 0, "failed": 0, "errors": []}
    for before, text in _parts(file):
        part = ask("suppression.import", ImportList(text=text, dry_run=dry_run))
        for name in ("rows", "added", "unchanged", "failed"):
            told[name] += part[name]
        told["errors"] += [{**fault, "row": fault["row"] + before} for fault in part["errors"]]
    if as_json:
        return print_json(told)
    for fault in told["errors"]:
        click.echo(f"line {fault['row']}: {plain(fault['message'])}", err=True)
    would = "would be" if dry_run else "are"
    return click.echo(
        f"{told['added']} of {told['rows']} {would} suppressed now, {told['unchanged']} were already,"
        f" {told['failed']} cannot be"
    )


@suppression.command("export")
def export_list() -> None:
    """Every entry as CSV, as an import takes it."""
    click.echo(",".join(_COLUMNS))
    before: str | None = None
    while found := ask("suppression.list", ListSuppressions(limit=_AT_ONCE, before=before)):
        rows = ([each[name] or "" for name in _COLUMNS] for each in found)
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
        before = found[-1]["id"]


def _parts(file: TextIO) -> Iterator[tuple[int, str]]:
    """The file in parts that one request holds, each with the first line where that names columns."""
    first = file.readline()
    heading = first if "@" not in first else ""
    lines = [] if heading else [first]
    done = 0
    for line in file:
        if len(lines) == _AT_ONCE:
            yield done, heading + "".join(lines)
            done, lines = done + len(lines), []
        lines.append(line)
    yield done, heading + "".join(lines)
