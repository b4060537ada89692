"""Answers that stand between the lines of a quote which nothing marks, as Outlook's users write them."""

from collections.abc import Sequence

from inbound.reading.attribution import markers
from inbound.reading.parent_match import ParentMatch, words_of


def old_from(lines: Sequence[str], start: int, end: int, parent: ParentMatch, repeated: set[int]) -> set[int]:
    """The lines from `start` on that are not new; the quote begins at `end`.

    All of them, unless a good part of the parent stands there, in lines that
    are `repeated`, with words of somebody else between them.
    """
    old = set(range(start, len(lines)))
    below = sorted(at for at in repeated if at >= end)
    if not below or not parent.covers(sum(len(words_of(lines[at])) for at in below)):
        return old
    known = set(below)
    between = range(below[0], below[-1])
    answers = {at for at in between if at not in known and parent.is_answer(words_of(lines[at]))}
    if answers or not any(line.strip() for line in lines[:start]):
        # Who answers line by line, or below, goes on behind the last quoted line; an older message does not.
        older = markers(lines[below[-1] + 1 :], set())
        stop = below[-1] + 1 + older[0].start if older else len(lines)
        answers |= {at for at in range(below[-1] + 1, stop) if lines[at].strip()}
    return old - answers
