"""The macros of SPF: `%{ir}.%{v}._spf.%{d2}` becomes a name, or a sentence for the sender (RFC 7208 §7).

A name that comes out longer than 253 octets loses labels from the left until
it fits, so no record can make us ask for anything that the DNS cannot express.
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

_MACRO = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|%([%_-])|([!-$&-~]+)")
_SENTENCE = re.compile(r"%\{([A-Za-z])([0-9]*)([rR]?)([-.+,/_=]*)\}|%([%_-])|([ -$&-~]+)")
_LETTERS = frozenset("slodiphv")
_LETTERS_OF_EXPLANATIONS = frozenset("slodiphvcrt")
_TOP_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ENDS_IN_MACRO = re.compile(r"(?:\}|%[%_-])\Z")
_ESCAPED = {"%": "%", "_": " ", "-": "%20"}
_MOST_LABELS = 128
_LONGEST_NAME = 253


class MalformedMacro(ValueError):
    """Not a macro string."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`: which value, how many of its parts from the right (0: all), turned round or not."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str


MacroString: TypeAlias = tuple[str | Macro, ...]


def parse_domain_spec(text: str) -> MacroString:
    """What names a domain: it ends in a macro or in a top label. Raises MalformedMacro."""
    found = _parse(text, _MACRO, _LETTERS)
    if not found or not (_ENDS_IN_MACRO.search(text) or _ends_well(text)):
        raise MalformedMacro("not a domain")
    return found


def parse_macro_string(text: str) -> MacroString:
    """A value of a modifier; raises MalformedMacro."""
    return _parse(text, _MACRO, _LETTERS)


def parse_explanation(text: str) -> MacroString:
    """A sentence with spaces; it may also name the receiver, the client and the time."""
    return _parse(text, _SENTENCE, _LETTERS_OF_EXPLANATIONS)


def names_of(macros: MacroString) -> set[str]:
    """The letters, in lower case, whose values are needed to expand it."""
    return {piece.letter.lower() for piece in macros if isinstance(piece, Macro)}


def expand(macros: MacroString, values: Mapping[str, str]) -> str:
    """The text, with `values` by lower-case letter."""
    return "".join(piece if isinstance(piece, str) else _value(piece, values) for piece in macros)


def expand_domain(macros: MacroString, values: Mapping[str, str]) -> str:
    """The name without a final dot, cut from the left to what the DNS can express."""
    name = expand(macros, values).rstrip(".")
    return name if len(name) <= _LONGEST_NAME else name[-_LONGEST_NAME - 1 :].partition(".")[2]


def _parse(text: str, pieces: re.Pattern[str], letters: frozenset[str]) -> MacroString:
    found: list[str | Macro] = []
    at = 0
    for piece in pieces.finditer(text):
        if piece.start() != at:
            break
        at = piece.end()
        found.append(_piece(piece, letters))
    if at != len(text):
        raise MalformedMacro("not a macro string")
    return tuple(found)


def _piece(piece: re.Match[str], letters: frozenset[str]) -> str | Macro:
    letter, parts, reverse, delimiters, escaped, literal = piece.groups()
    if literal:
        return str(literal)
    if escaped:
        return _ESCAPED[escaped]
    if letter.lower() not in letters or (parts and not parts.strip("0")):
        raise MalformedMacro("no such macro")
    return Macro(letter, min(int(parts[:9] or 0), _MOST_LABELS), bool(reverse), delimiters or ".")


def _ends_well(text: str) -> bool:
    """Whether what is known to be a macro string ends in a dot and a top label, which is no number."""
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and bool(_TOP_LABEL.fullmatch(label)) and not label.isdigit()


def _value(macro: Macro, values: Mapping[str, str]) -> str:
    parts = re.split(f"[{re.escape(macro.delimiters)}]", values[macro.letter.lower()])
    if macro.reverse:
        parts.reverse()
    text = ".".join(parts[-macro.parts :] if macro.parts else parts)
    return urllib.parse.quote(text, safe="", errors="surrogateescape") if macro.letter.isupper() else text
