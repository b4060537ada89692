"""Places at which a test can have the process killed; off unless the environment names one of them.

`POSTHOUSE_FAILPOINT=delivery.dot:3` ends the process, as `kill -9` would, when
that place is reached for the third time in its life. A place costs a look at
a constant while nothing is named:

    if ARMED:
        reach("delivery.dot")
"""

import itertools
import os
import random
import signal
import threading
from collections.abc import Mapping
from typing import Final

VARIABLE = "POSTHOUSE_FAILPOINT"

# In the order of a message's way.
POINTS: Final[Mapping[str, str]] = {
    "smtp.mail": "MAIL was taken",
    "smtp.content": "in DATA, some of the content was read",
    "smtp.dot": "the final dot was read",
    "store.body": "the body's file is durable, the row that names it is not committed",
    "store.statements": "a group's rows are written, not committed",
    "smtp.committed": "committed, 250 not written",
    "smtp.replied": "250 was written",
    "api.committed": "committed, the API's answer not written",
    "dispatch.claimed": "leased, nothing dialled",
    "delivery.connected": "greeted by the far server",
    "delivery.recipient": "RCPT was answered yes",
    "delivery.dot": "the final dot was sent",
    "delivery.reply": "the far server's outcome is known, not committed",
    "dispatch.settled": "the outcome is committed with its event, no webhook is owed yet",
    "webhooks.posted": "a webhook was posted, not marked",
    "notices.made": "a notice is made, not accepted",
    "notices.accepted": "a notice is accepted, the reader's cursor not moved",
    "inbound.read": "received mail was read, its letter not filed",
    "store.checkpoint": "while the log is copied back into the file",
    "store.migration": "between two statements of a migration's step",
    "retention.purged": "rows forgot their bodies, files are still there",
}

ARMED: Final = os.environ.get(VARIABLE, "")

_SOON = 0.002  # seconds; what the event loop was given to write is written


def _read(wanted: str) -> tuple[str, int]:
    """The place and the count; a name that is none of ours must not look like a test that passed."""
    name, _, count = wanted.partition(":")
    if name not in POINTS or not (count or "1").isdigit():
        raise ValueError(f"${VARIABLE}: there is no place {wanted!r}")
    return name, int(count or "1")


_name, _due = _read(ARMED) if ARMED else ("", 0)
_reached = itertools.count(1)
_others: list[int] = []


def take_along(pid: int) -> None:
    """When this process is ended, so is that one: they are one service, which is killed as a whole."""
    _others.append(pid)


def reach(name: str) -> None:
    """This place is reached; ends the process if it is the one, and its turn has come."""
    if name == _name and next(_reached) == _due:
        _end()


def reach_soon(name: str) -> None:
    """The same a moment later, when the octets that were just given to the event loop have left us."""
    if name == _name and next(_reached) == _due:
        _end_within(_SOON, _SOON)


def reach_within(name: str) -> None:
    """The same in the midst of what is called next, which takes a few milliseconds in C."""
    if name == _name and next(_reached) == _due:
        _end_within(0.0, _SOON)


def _end_within(least: float, most: float) -> None:
    timer = threading.Timer(random.uniform(least, most), _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    for pid in (*_others, os.getpid()):
        os.kill(pid, signal.SIGKILL)
