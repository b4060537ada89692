"""Log lines: one event, one line, whatever a stranger put into it.

Control characters, line ends and direction marks are escaped, so nobody can
forge a line; what looks like a password or a key is replaced. Lines of a
traceback are indented behind a bar. Under the journal a line starts with its
priority instead of the time (sd-daemon(3)).
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TextIO

from relay.telemetry.context import current_ids

OURS = ("relay", "inbound", "api", "posthouse")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SECRETS = re.compile(
    r"(?P<url>://[^/\s:@]*:)[^/\s@]+@"
    r"|(?P<key>\bph_(?:live|test)_)[A-Za-z0-9_-]+"
    r"|(?P<auth>\bAUTH (?:PLAIN|LOGIN) )[A-Za-z0-9+/=]+"
    r"|(?P<bearer>\bBearer )[A-Za-z0-9._~+/=-]+",
    re.IGNORECASE,
)
# In lower case; where none of them stands nothing looks like a secret, and a close look is what costs.
_MARKS_OF_SECRETS = ("://", "ph_", "auth ", "bearer ")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLORS = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "1;31"}
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def set_up_logging(
    *,
    format: Literal["text", "json"] = "text",  # noqa: A002 - the name that the operator knows
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Send our events of `level` and above, and warnings of the libraries, to `stream` (standard error).

    Replaces what was set up before, so a reload may call it again.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if format == "json" else _text_lines(stream, os.environ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)


def safe(text: str) -> str:
    """`text` on one line, without control characters and without what looks like a secret."""
    lowered = text.lower()
    if any(mark in lowered for mark in _MARKS_OF_SECRETS):
        text = _SECRETS.sub(_hide, text)
    return _UNSAFE.sub(_escape, text)


class TextLines(logging.Formatter):
    """Aligned columns for people: time, level, room, what happened, fields, ids."""

    def __init__(self, *, color: bool = False, journal: bool = False) -> None:
        super().__init__()
        self._color = color
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        told = " ".join([safe(record.getMessage()), *_pairs(record)])
        line = f"{record.levelname:<8}{_room(record):<10} {told}"
        if self._color and record.levelno in _COLORS:
            line = f"\x1b[{_COLORS[record.levelno]}m{line}\x1b[0m"
        start = f"<{_priority(record)}>" if self._journal else f"{_time(record)} "
        behind = [f"{start if self._journal else ''}    | {safe(text)}" for text in _traceback(self, record)]
        return "\n".join([start + line, *behind])


class JsonLines(logging.Formatter):
    """One JSON object for each event: `time`, `level`, `room`, `event`, then fields and ids."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": _when(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "room": _room(record),
            "event": safe(record.getMessage()),
            **{name: safe(str(value)) for name, value in _fields(record).items()},
        }
        if lines := _traceback(self, record):
            entry["traceback"] = [safe(line) for line in lines]
        return json.dumps(entry, ensure_ascii=False)


def _text_lines(stream: TextIO, environ: Mapping[str, str]) -> TextLines:
    color = stream.isatty() and "NO_COLOR" not in environ and environ.get("TERM") != "dumb"
    return TextLines(color=color, journal=not color and _is_journal(stream, environ))


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether $JOURNAL_STREAM names the very file that `stream` writes (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _time(record: logging.LogRecord) -> str:
    """When it happened, in UTC, to the millisecond."""
    seconds, microseconds = divmod(round(record.created * 1e6), 1_000_000)
    return f"{_second(seconds)}.{microseconds // 1000:03}"


@lru_cache(maxsize=4)
def _second(since_epoch: int) -> str:
    return f"{datetime.fromtimestamp(since_epoch, UTC):%Y-%m-%d %H:%M:%S}"


def _when(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _room(record: logging.LogRecord) -> str:
    return _room_of(record.name)


@lru_cache(maxsize=256)
def _room_of(name: str) -> str:
    """The part of the house that speaks: `relay.dispatch.loop` is `dispatch`."""
    parts = name.split(".")
    return parts[1] if parts[0] in ("relay", "posthouse") and len(parts) > 1 else parts[0]


def _priority(record: logging.LogRecord) -> int:
    return _PRIORITIES.get(record.levelno, 6)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    ours = vars(record).keys() - _STANDARD
    extra = {name: value for name, value in vars(record).items() if name in ours} if ours else {}
    return {**extra, **current_ids()}


def _pairs(record: logging.LogRecord) -> list[str]:
    pairs = []
    for name, value in _fields(record).items():
        text = safe(str(value))
        pairs.append(f"{name}={json.dumps(text, ensure_ascii=False) if ' ' in text or not text else text}")
    return pairs


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    text = formatter.formatException(record.exc_info) if record.exc_info else ""
    return "\n".join(part for part in (text, record.stack_info or "") if part).splitlines()


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")


def _hide(found: re.Match[str]) -> str:
    kept = next(text for text in found.groups() if text)
    return f"{kept}***{'@' if found['url'] else ''}"
