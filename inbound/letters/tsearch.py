"""The words of letters as PostgreSQL's text search wants them: parted by us, as SQLite's index parts them.

No dictionary of the server has a say, so every language is found alike, on any
server. A word carries the place where it stands, for phrases, and as its
weight the part of the letter that it is from.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

# Whose it is, and what was said: the letters of weights that a word may have.
WEIGHTS: Final[Mapping[str, str]] = {"scope": "D", "subject": "A", "people": "B", "body": "C"}
SAID: Final = "ABC"
_WORD = re.compile(r"[^\W_]+")
_LONGEST_WORD = 500  # characters; the server takes 2046 octets
_LAST_PLACE = 16_383  # further back words are found, but no phrases
_LARGEST = 900_000  # octets; the server takes a mebi for all words of a letter
_PLACES_OF_A_WORD = 200
_BETWEEN_PARTS = 2


def words_in(text: str) -> list[str]:
    """The words, without case and accents."""
    if not text.isascii():
        apart = unicodedata.normalize("NFD", text)
        text = "".join(each for each in apart if unicodedata.category(each)[0] != "M")
    return [word[:_LONGEST_WORD] for word in _WORD.findall(text.casefold())]


def vector(parts: Iterable[tuple[str, str]]) -> str:
    """A tsvector of columns, each given by its name and text."""
    places: dict[str, list[str]] = defaultdict(list)
    place = size = 0
    for column, text in parts:
        for word in words_in(text):
            place += 1
            if word not in places:
                size += len(word.encode()) + 4
            if size > _LARGEST:
                return _written(places)
            if len(places[word]) < _PLACES_OF_A_WORD:
                places[word].append(f"{min(place, _LAST_PLACE)}{WEIGHTS[column]}")
                size += 2
        place += _BETWEEN_PARTS
    return _written(places)


def condition(phrases: Sequence[Sequence[str]], weights: str, *, last_is_begun: bool) -> str:
    """A tsquery: all of the phrases, each of whose words follow one another, in parts of these weights."""
    written = []
    for number, phrase in enumerate(phrases, 1):
        words = [f"'{word}':{weights}" for word in phrase]
        if last_is_begun and number == len(phrases):
            words[-1] = f"'{phrase[-1]}':*{weights}"
        written.append(f"({' <-> '.join(words)})")
    return " & ".join(written)


def _written(places: Mapping[str, Sequence[str]]) -> str:
    return " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())
