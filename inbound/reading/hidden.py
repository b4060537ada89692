"""What a person sees of an HTML message, apart from what stands there for programs only.

Text may be hidden by its style, its colour, its size or its place; a
newsletter's preheader is, and so may be instructions to a machine that reads
the mail. Comments, scripts and titles are neither seen nor text.
"""

import re

from inbound.reading.appearance import Appearance
from inbound.reading.css import Sheet
from inbound.reading.html_tree import BLOCKS, PARAGRAPHS, Element, Node, Text, parse, walk
from inbound.reading.invisible import without_unseen

_NO_TEXT = frozenset({"script", "style", "title", "head", "noframes", "iframe", "object", "datalist"})
_SPACE = re.compile(r"[ \t\n\r\f\xa0]+")
# Looked at once: not from within the white space.
_LINE_END = re.compile(r"(?<![^\S\n])[^\S\n]+(?=\n|\Z)")
_LINES = re.compile(r"\n{3,}")


def look(html: str) -> tuple[str, str]:
    """The text that is seen, in lines and paragraphs as they are shown, and the text that is hidden.

    Never raises; takes time in proportion to the length.
    """
    return look_at(parse(html))


def look_at(root: Element) -> tuple[str, str]:
    """The same of a tree."""
    seen, hidden = _Page(), _Page()
    sheet = Sheet(_style_texts(root))
    looks, pages = [Appearance()], [seen]
    silent = 0
    for step in walk(root):
        if step[0] == "text":
            if not silent:
                pages[-1].write(step[1], hidden)
        elif step[0] == "open":
            look = looks[-1].inside(step[1], sheet.declared(step[1]))
            pages.append(pages[-1] if look is looks[-1] else seen if look.is_seen else hidden)
            looks.append(look)
            silent += step[1].name in _NO_TEXT
            if _shapes(step[1]):
                seen.begin(step[1])
                hidden.begin(step[1])
        else:
            looks.pop()
            pages.pop()
            silent -= step[1].name in _NO_TEXT
            if _shapes(step[1]):
                seen.end(step[1])
                hidden.end(step[1])
    return seen.text(), hidden.text()


def has_seen_text(root: Element) -> bool:
    """Whether `look_at` sees anything; found out at the first text that is seen."""
    sheet = Sheet(_style_texts(root))
    looks = [Appearance()]
    silent = 0
    for step in walk(root):
        if step[0] == "text":
            if not silent and looks[-1].is_seen and without_unseen(step[1].shown)[0].strip():
                return True
        elif step[0] == "open":
            looks.append(looks[-1].inside(step[1], sheet.declared(step[1])))
            silent += step[1].name in _NO_TEXT
        else:
            looks.pop()
            silent -= step[1].name in _NO_TEXT
    return False


class _Page:
    """Text as it is shown: white space collapses, blocks stand in lines of their own."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._at_start = True  # of a line: a space here is not shown
        self._kept = 0  # elements that keep white space
        self._breaks = 2

    def write(self, text: Text, hidden: "_Page") -> None:
        shown, spelled = without_unseen(text.shown)
        if spelled:
            hidden.say(spelled)
        self.say(shown)

    def say(self, text: str) -> None:
        if not self._kept:
            text = _SPACE.sub(" ", text)
            text = text.lstrip(" ") if self._at_start else text
        if text:
            self._parts.append(text)
            self._at_start = text[-1] in " \n"
            self._breaks = 0

    def begin(self, element: Element) -> None:
        self._kept += _keeps_space(element)
        if element.name == "br":
            self._break(self._breaks + 1)
        elif element.name in BLOCKS and element.name not in ("td", "th"):
            self._break(2 if element.name in PARAGRAPHS else 1)

    def end(self, element: Element) -> None:
        self._kept -= _keeps_space(element)
        if element.name in ("td", "th"):
            self.say(" ")
        elif element.name in BLOCKS:
            self._break(2 if element.name in PARAGRAPHS else 1)

    def text(self) -> str:
        return _LINES.sub("\n\n", _LINE_END.sub("", "".join(self._parts))).strip("\n")

    def _break(self, count: int) -> None:
        """At least so many line ends since the last text."""
        if count > self._breaks:
            self._parts.append("\n" * (count - self._breaks))
            self._breaks = count
        self._at_start = True


def _shapes(element: Element) -> bool:
    """Whether lines or spaces may be different within it."""
    return element.name in BLOCKS or element.name == "br" or "style" in element.attributes


def _keeps_space(element: Element) -> bool:
    return element.name == "pre" or "white-space:pre" in element.attributes.get("style", "")[:2000]


def _style_texts(root: Element) -> list[str]:
    found: list[str] = []
    stack: list[Node] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Element):
            stack.extend(reversed(node.children))
        elif isinstance(node, Text) and node.parent.name == "style":
            found.append(node.raw)
    return found
