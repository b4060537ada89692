"""Find the message that is answered within the answer, however it was wrapped, indented or cut.

Words are compared, not lines: case, punctuation, quote marks and line breaks
do not count. A line is taken for a quote only within a run of such lines
that is long enough not to be chance.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from inbound.reading import budget

MAX_PARENT_WORDS = 50_000
MAX_LINE = 5000  # characters; no line of prose is longer
_SHORT_LINE = 200

_KANJI = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_KANJI}]|[^\W{_KANJI}]+")
_LINK = re.compile(
    r"<(?:https?|mailto|tel):[^<>\s]{0,2000}>|https?://\S{1,2000}|\[(?:cid|image):[^\[\]]{0,200}\]"
)
# Of a line that the parent repeats: each is looked at for each line of the answer.
_MAX_PLACES = 50
_RUN_WORDS = 8
_SPAN = 4
_LIKE = 0.8


def words_of(line: str) -> tuple[str, ...]:
    """What is compared of a line: its words in one case, each character of scripts without spaces."""
    return _known_words(line) if len(line) <= _SHORT_LINE else _read_words(line[:MAX_LINE])


def _read_words(line: str) -> tuple[str, ...]:
    if "<" in line or "[" in line or "://" in line:
        line = _LINK.sub(" ", line)
    return tuple(_WORD.findall(line.casefold()))


# The parent, the HTML and the text of an answer say most lines again.
_known_words = lru_cache(maxsize=2048)(_read_words)


class ParentMatch:
    """Knows the words of the messages that may be quoted, and in which order their lines stand."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._words: list[str] = []
        self._lines: dict[tuple[str, ...], set[int]] = {}
        self._line_count = 0
        self._spans: set[tuple[str, ...]] = set()
        self.learn(texts)

    def learn(self, texts: Iterable[str]) -> None:
        """Know some more, which stand behind the others."""
        start = max(len(self._words) - _SPAN + 1, 0)
        for text in texts:
            for line in text.split("\n", budget.MAX_LINES)[: budget.MAX_LINES]:
                words = words_of(line) if len(self._words) < MAX_PARENT_WORDS else ()
                if words and len(self._words) + len(words) <= MAX_PARENT_WORDS:
                    self._learn_line(words)
        new = self._words[start:]
        for length in (2, 3, _SPAN):
            self._spans.update(zip(*(new[at:] for at in range(length)), strict=False))

    def _learn_line(self, words: tuple[str, ...]) -> None:
        places = self._lines.setdefault(words, set())
        if len(places) < _MAX_PLACES:
            places.add(self._line_count)
        self._line_count += 1
        self._words += words

    @property
    def is_empty(self) -> bool:
        return not self._words

    def is_strong(self, words: tuple[str, ...]) -> bool:
        """Whether this line alone is proof: enough words, and nearly all of them in the parent's order."""
        if len(words) < min(_SPAN, max(len(self._words), 3)):
            return False
        return words in self._lines or self._share(words) >= _LIKE

    def is_answer(self, words: tuple[str, ...]) -> bool:
        """Whether the parent has no such line, so that somebody else must have written it."""
        return bool(words) and words not in self._lines and self._share(words) < 0.5

    def runs(self, lines: Sequence[str], quoted: set[int]) -> set[int]:
        """The numbers of the lines that repeat the parent; `quoted` ones are known to be quotes already."""
        if self.is_empty:
            return set()
        words = [words_of(line) for line in lines[: budget.MAX_LINES]]
        strong = {place for place, line in enumerate(words) if place not in quoted and self.is_strong(line)}
        found: set[int] = set()
        for run in _runs(words, strong):
            if self._is_enough(sum(len(words[place]) for place in run)):
                found |= self._widened(words, run)
        return found | self._wrapped(words, quoted)

    def covers(self, count: int) -> bool:
        """Whether so many words are a good part of the parent."""
        return count * 2 >= len(self._words)

    def _share(self, words: tuple[str, ...]) -> float:
        length = min(_SPAN, len(words))
        if length < 2:
            return 0.0
        spans = [words[at : at + length] for at in range(len(words) - length + 1)]
        return sum(span in self._spans for span in spans) / len(spans)

    def _is_enough(self, count: int) -> bool:
        return count >= _RUN_WORDS or (count >= 3 and count >= 0.6 * len(self._words))

    def _widened(self, words: Sequence[tuple[str, ...]], run: list[int]) -> set[int]:
        """The run with the short lines in it and at its ends that the parent has in the same place."""
        found = set(range(run[0], run[-1] + 1))
        for step, edge in ((-1, run[0]), (1, run[-1])):
            at, known = edge + step, words[edge]
            while 0 <= at < len(words) and (not words[at] or self._is_next(known, words[at], step)):
                if words[at]:
                    found |= set(range(min(edge, at), max(edge, at) + 1))
                    edge, known = at, words[at]
                at += step
        return found

    def _is_next(self, known: tuple[str, ...], line: tuple[str, ...], step: int) -> bool:
        """Whether the parent has this line right before or behind the known one, or but one away."""
        seam = (*line[-2:], *known[:2]) if step < 0 else (*known[-2:], *line[:2])
        if len(seam) > 2 and seam in self._spans and (len(line) < 2 or self._share(line) == 1.0):
            return True
        here = self._lines.get(line, set())
        return any(place + step * far in here for place in self._lines.get(known, ()) for far in (1, 2))

    def _wrapped(self, words: Sequence[tuple[str, ...]], quoted: set[int]) -> set[int]:
        """Ends of quoted lines that lost their mark when they were wrapped."""
        between = (place + 1 for place in quoted if place + 2 in quoted and place + 1 < len(words))
        return {place for place in between if len(words[place]) > 1 and self._share(words[place]) == 1.0}


def _runs(words: Sequence[tuple[str, ...]], strong: set[int]) -> list[list[int]]:
    """Strong lines with nothing but empty lines between them."""
    runs: list[list[int]] = []
    is_open = False
    for place, line in enumerate(words):
        if place in strong:
            if not is_open:
                runs.append([])
            runs[-1].append(place)
            is_open = True
        elif line:
            is_open = False
    return runs
