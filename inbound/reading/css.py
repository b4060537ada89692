"""As much CSS as it takes to hide text: declarations, and rules for one tag, class or id.

Selectors of several steps are not followed, and what only holds for some
screens is left out: what they hide counts as seen.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from inbound.reading import budget
from inbound.reading.html_tree import Element

MAX_RULES = 2000
MAX_DECLARATIONS = 10_000  # characters of one style attribute

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6})\s?")
_BRACE = re.compile(r"[{}]")
_SELECTOR = re.compile(r"(?:[a-z][a-z0-9]{0,20}|\*)?(?:[.#][\w-]{1,100})?\Z")
_EVERYWHERE = re.compile(r"@media\s+(?:only\s+)?(?:screen|all)\s*\Z")

Declarations = dict[str, str]


@lru_cache(maxsize=1024)
def read_declarations(text: str) -> Declarations:
    """Properties and values in lower case; the last of a name counts. Important values end in ` !`.

    What it gives is shared: do not change it.
    """
    declared: Declarations = {}
    important: Declarations = {}
    for part in _plain(text[:MAX_DECLARATIONS]).split(";"):
        name, colon, value = part.partition(":")
        if colon:
            value, _, mark = value.strip().partition("!")
            chosen = important if mark.strip() == "important" else declared
            chosen[name.strip()] = value.strip()
    return {**declared, **{name: f"{value} !" for name, value in important.items()}}


class Sheet:
    """The rules of all style elements of one document, by selector."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._rules: dict[str, Declarations] = {}
        self._left = MAX_RULES
        self._selectors_left = budget.MAX_SELECTORS
        self._styles_left = budget.MAX_STYLES
        for text in texts:
            self._read(_plain(self._within_budget(text)))

    def declared(self, element: Element) -> Declarations:
        """What holds for the element, its own style included; important values come without their mark."""
        style = self._within_budget(element.attributes.get("style", "")[:MAX_DECLARATIONS])
        own = read_declarations(style) if style else {}
        if not self._rules:
            return {name: value.removesuffix(" !") for name, value in own.items()}
        chosen: Declarations = {}
        for selector in _selectors(element):
            if rule := self._rules.get(selector):
                _overlay(chosen, rule)
        _overlay(chosen, own)
        return {name: value.removesuffix(" !") for name, value in chosen.items()}

    def _within_budget(self, text: str) -> str:
        """As much of this CSS as may still be read."""
        text = text[: self._styles_left]
        self._styles_left -= len(text)
        return text

    def _read(self, text: str) -> None:
        at = 0
        while self._left > 0 and (brace := text.find("{", at)) >= 0:
            prelude = re.split(r"[;}]", text[at:brace])[-1].strip()
            if prelude.startswith("@"):
                at = brace + 1 if _EVERYWHERE.match(prelude) else _end_of_block(text, brace + 1)
                continue
            end = text.find("}", brace)
            end = len(text) if end < 0 else end
            self._add(prelude, text[brace + 1 : end])
            at = end + 1

    def _add(self, prelude: str, declarations: str) -> None:
        self._left -= 1
        for selector in prelude[:MAX_DECLARATIONS].split(",", self._selectors_left)[: self._selectors_left]:
            self._selectors_left -= 1
            selector = selector.strip()
            if selector and _SELECTOR.match(selector):
                _overlay(self._rules.setdefault(selector, {}), read_declarations(declarations))


def _selectors(element: Element) -> list[str]:
    """Those that may name the element, the weakest first."""
    name, classes = element.name, element.classes()
    found = ["*", name, *(f".{one}" for one in classes), *(f"*.{one}" for one in classes)]
    found += [f"{name}.{one}" for one in classes]
    identity = element.attributes.get("id", "").strip().lower()
    return [*found, f"#{identity}", f"{name}#{identity}"] if identity else found


def _overlay(chosen: Declarations, more: Declarations) -> None:
    for name, value in more.items():
        if value.endswith(" !") or not chosen.get(name, "").endswith(" !"):
            chosen[name] = value


def _plain(text: str) -> str:
    """Without comments and escapes, in lower case."""
    text = _COMMENT.sub("", text) if "/*" in text else text
    if "\\" in text:
        text = _ESCAPE.sub(lambda found: chr(min(int(found[1], 16), 0xFFFD)), text)
    return text.lower()


def _end_of_block(text: str, at: int) -> int:
    depth = 1
    for found in _BRACE.finditer(text, at):
        depth += 1 if found[0] == "{" else -1
        if not depth:
            return found.end()
    return len(text)
