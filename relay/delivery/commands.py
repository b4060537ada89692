"""The lines of one mail transaction, and which of them may travel together (RFC 5321 §4.1.1, RFC 2920)."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from relay.address import InvalidAddress, ReversePath, parse_reverse_path
from relay.delivery.outcome import Phase

_ESMTP_VALUE = re.compile(r"[!-<>-~]+\Z")
# What is written before anything is read fits into the smallest of socket buffers, and so do its replies.
_MOST_COMMANDS = 50
_MOST_OCTETS = 4096


class Command(NamedTuple):
    """One line without its end. `timeout`: seconds for its reply, after the one before it has come."""

    phase: Phase
    line: bytes
    timeout: float
    recipient_id: int | None = None


def write_line(*words: str) -> bytes:
    """The words as they travel."""
    return " ".join(words).encode("utf-8")


def in_groups(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """The commands in order, as many at a time as may be written before a reply is read."""
    group: list[Command] = []
    octets = 0
    for command in commands:
        octets += len(command.line) + 2
        if group and (len(group) >= _MOST_COMMANDS or octets > _MOST_OCTETS):
            yield group
            group, octets = [], len(command.line) + 2
        group.append(command)
    yield group


def one_by_one(commands: Iterable[Command]) -> Iterator[list[Command]]:
    """The commands in order, each alone."""
    return ([command] for command in commands)


@lru_cache(maxsize=1024)
def wire_path(path: ReversePath) -> str:
    """The path as it goes out, read back by the strict parser: what it says is what was meant.

    Raises InvalidAddress when the two differ, so that nothing is sent.
    """
    text = f"<{path}>"
    if parse_reverse_path(text, allow_utf8=True) != path:
        raise InvalidAddress(f"{text!r} reads back as another address")
    return text


def parameters(**values: str | None) -> list[str]:
    """ESMTP parameters with a value that may stand in a command (RFC 5321 §4.1.2 esmtp-value)."""
    return [f"{key}={value}" for key, value in values.items() if value and _ESMTP_VALUE.match(value)]
