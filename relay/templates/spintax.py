"""Spintax: of `{Hello|Hi {there|you}}` one alternative is said, the same each time for the same seed.

Which one depends on the seed, on what the group says and on how often it said
so before, so that the text and the HTML of one message agree. Braces around no
bar are braces, as in styles; Liquid's places are never taken apart.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

DEPTH = 10
GROUPS = 2_000

_TOKEN = re.compile(r"\{\{\{(?=[^{])|\{\{.*?\}\}|\{%.*?%\}|[{|}]", re.DOTALL)


class TooMuchSpintax(ValueError):
    """It is nested too deep, or there are too many groups."""


@dataclass(slots=True)
class _Group:
    """One that is open: where it begins, and the alternatives so far, the last of them unfinished."""

    start: int
    options: list[list[str]] = field(default_factory=lambda: [[]])


def spun(source: str, seed: str | None) -> str:
    """The source with one alternative of each group; without a seed with all of them, to be looked at.

    Raises TooMuchSpintax.
    """
    draws: Counter[str] = Counter()
    stack = [_Group(0)]
    at = groups = 0
    for kind, start, end in _tokens(source):
        stack[-1].options[-1].append(source[at:start])
        at = end
        if kind == "{":
            groups += 1
            if len(stack) > DEPTH or groups > GROUPS:
                raise TooMuchSpintax(f"more than {DEPTH} groups in one another, or {GROUPS} in all")
            stack.append(_Group(start))
        elif kind == "|" and len(stack) > 1:
            stack[-1].options.append([])
        elif kind == "}" and len(stack) > 1:
            group = stack.pop()
            stack[-1].options[-1].append(_chosen(group, source[group.start : end], seed, draws))
        else:
            stack[-1].options[-1].append(source[start:end])
    stack[-1].options[-1].append(source[at:])
    # What was never closed stands as it was written.
    while len(stack) > 1:
        left = stack.pop()
        stack[-1].options[-1].append("{" + "|".join("".join(option) for option in left.options))
    return "".join(stack[0].options[0])


def _tokens(source: str) -> list[tuple[str, int, int]]:
    """Braces and bars, and Liquid's places as a whole; `{{{` opens a group before a place."""
    found: list[tuple[str, int, int]] = []
    at = 0
    while match := _TOKEN.search(source, at):
        at = match.start() + 1 if match[0] == "{{{" else match.end()
        found.append((match[0][0] if at - match.start() == 1 else "", match.start(), at))
    return found


def _chosen(group: _Group, written: str, seed: str | None, draws: Counter[str]) -> str:
    options = ["".join(option) for option in group.options]
    if len(options) == 1:
        return "{" + options[0] + "}"
    if seed is None:
        return " ".join(options)
    draws[written] += 1
    digest = hashlib.sha256(f"{seed}\0{draws[written]}\0{written}".encode("utf-8", "surrogatepass")).digest()
    return options[int.from_bytes(digest[:8], "big") % len(options)]
