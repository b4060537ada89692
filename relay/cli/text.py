"""Words, tables and colours for people; only a terminal gets colours."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from relay.clock import SystemClock

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_STATUS_COLOURS = {
    **dict.fromkeys(("delivered", "verified", "active", "ok", "running"), "green"),
    **dict.fromkeys(
        ("deferred", "pending", "scheduled", "held", "paused", "partial", "leased", "draining", "drained"),
        "yellow",
    ),
    **dict.fromkeys(
        ("bounced", "expired", "suppressed", "revoked", "expired key", "failed", "silent"), "red"
    ),
}
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def plain(text: object) -> str:
    """Somebody else's text, without anything that a terminal would obey."""
    return _CONTROL.sub("?", "" if text is None else str(text))


def document(octets: bytes) -> str:
    """JSON as a terminal may show it: what would steer one is escaped, which means the same to a program."""
    return _CONTROL.sub(_escaped, octets.decode())


def _escaped(found: re.Match[str]) -> str:
    # Bare line feeds stand between values alone.
    return "\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


def status(text: str) -> str:
    """A status in its colour."""
    return click.style(plain(text), fg=_STATUS_COLOURS.get(text))


def bold(text: str) -> str:
    return click.style(plain(text), bold=True)


def dim(text: str) -> str:
    return click.style(plain(text), dim=True)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns; a column with numbers alone stands on the right. The last one is not padded."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return
    widths = [
        max(len(heading), *(len(click.unstyle(row[place])) for row in cells))
        for place, heading in enumerate(headings)
    ]
    numeric = [
        all(click.unstyle(row[place]).isdecimal() for row in cells if row[place])
        and any(row[place] for row in cells)
        for place in range(len(headings))
    ]
    click.echo(dim(_line(headings, widths, numeric)))
    for row in cells:
        click.echo(_line(row, widths, numeric))


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """`name   value` lines, one for each fact that there is."""
    shown = [(name, _cell(value)) for name, value in pairs if value not in (None, "", [], ())]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{dim(name.ljust(width))}  {value}")


def when(instant: str | None) -> str:
    """An RFC 3339 instant in the time zone of this machine, to the second; empty for None."""
    if instant is None:
        return ""
    return f"{datetime.fromisoformat(instant).astimezone():%Y-%m-%d %H:%M:%S}"


def how_long_until(instant: str | None) -> str:
    """`in 4 min`, `2 h ago`: the distance to now, roughly."""
    if instant is None:
        return ""
    seconds = int((datetime.fromisoformat(instant) - SystemClock().now()).total_seconds())
    return f"in {_rough(seconds)}" if seconds > 0 else f"{_rough(-seconds)} ago"


def size(octets: int) -> str:
    """`12.3 MiB`."""
    value, unit = float(octets), _SIZES[0]
    for unit in _SIZES:
        if value < 1024 or unit == _SIZES[-1]:
            break
        value /= 1024
    return f"{octets} B" if unit == "B" else f"{value:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(each) for each in value)
    text = "" if value is None else str(value)
    # What we styled ourselves is plain already.
    return text if click.unstyle(text) != text else plain(text)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = []
    for place, cell in enumerate(cells):
        gap = " " * (widths[place] - len(click.unstyle(cell)))
        last = place == len(cells) - 1
        padded.append(gap + cell if numeric[place] else cell if last else cell + gap)
    return "  ".join(padded).rstrip()


def _rough(seconds: int) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def event_name(kind: str) -> str:
    """An event's name, its last word in the colour of the state that it leads to, padded to a column."""
    noun, _, happened = kind.partition(".")
    colour = _STATUS_COLOURS.get(happened)
    return f"{plain(noun)}.{click.style(plain(happened), fg=colour)}" + " " * max(0, 20 - len(kind))
