"""Which letters of a batch can be read side by side: those that do not depend on one another.

An answer must find its question, and a question the answer that was faster. So
each mailbox's mail is taken in its order, as far as no letter has to do with
one that was taken just before; the rest comes with the next wave.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from inbound.opening import Examined
from inbound.reading.parsed import Parsed
from inbound.threading import thread_index_root


def waves(examined: Sequence[Examined]) -> Iterator[list[Examined]]:
    """All of them, in parts: each mailbox's in order, and nothing beside what it may belong to."""
    by_mailbox: dict[str, list[Examined]] = defaultdict(list)
    for each in examined:
        by_mailbox[each.arrival.mailbox_id].append(each)
    left = list(by_mailbox.values())
    while left := [rest for rest in left if rest]:
        yield [each for rest in left for each in _take_unrelated(rest)]


def _take_unrelated(rest: list[Examined]) -> list[Examined]:
    """Take away from the front those of one mailbox that have nothing to do with each other."""
    seen, taken = _Names(), list[Examined]()
    while rest and not seen.knows(rest[0].parsed):
        seen.add(rest[0].parsed)
        taken.append(rest.pop(0))
    return taken


class _Names:
    """What the letters of a wave are called, and what they refer to."""

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._asked: set[str] = set()

    def add(self, parsed: Parsed) -> None:
        self._own.update(_own_names(parsed))
        self._asked.update(parsed.in_reply_to)

    def knows(self, parsed: Parsed) -> bool:
        own = _own_names(parsed)
        referred = (*parsed.in_reply_to, *parsed.references)
        return not (self._own.isdisjoint((*own, *referred)) and self._asked.isdisjoint(own))


def _own_names(parsed: Parsed) -> list[str]:
    return [name for name in (parsed.message_id, thread_index_root(parsed.thread_index)) if name]
