"""The tree that a browser would make of a document, near enough to know what stands inside what.

Tags that are left open or closed in the wrong order are tolerated as
browsers do it; `serialise` gives back, octet for octet, whatever was not
taken out. Deeper than 512 elements nothing nests any more; what stands
beyond the budget of tags and references is kept, but not read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from inbound.reading import budget
from relay.message.html_tokens import RAW_TEXT, Token, tokens, unescape

MAX_DEPTH = 512

VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
)
# Each begins a paragraph of its own, and ends an open <p>.
PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "pre", "table", "hr"}
)
BLOCKS = PARAGRAPHS | frozenset(
    {"address", "article", "aside", "body", "caption", "center", "dd", "details", "dir", "div", "dt"}
    | {"fieldset", "figcaption", "figure", "footer", "form", "head", "header", "html", "li", "main"}
    | {"nav", "section", "summary", "tbody", "td", "tfoot", "th", "thead", "title", "tr"}
)
_IN_HEAD = frozenset({"base", "link", "meta", "noscript", "script", "style", "template", "title"})
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"}
)
_WALLS = frozenset({"table", "td", "th", "caption"})
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"})
# An element of the first kind ends an open one of the second, unless one of the third stands between.
_IMPLIED = {
    "li": ({"li"}, {"ul", "ol", "table", "td", "th"}),
    "dt": ({"dt", "dd"}, {"dl", "table", "td", "th"}),
    "dd": ({"dt", "dd"}, {"dl", "table", "td", "th"}),
    "tr": ({"tr"}, {"table"}),
    "td": ({"td", "th"}, {"tr", "table"}),
    "th": ({"td", "th"}, {"tr", "table"}),
    "tbody": ({"thead", "tbody", "tfoot"}, {"table"}),
    "option": ({"option"}, {"select"}),
}


class Text:
    """`raw` as it was written; `shown` has its character references resolved."""

    __slots__ = ("parent", "raw")

    def __init__(self, raw: str, parent: "Element") -> None:
        self.raw = raw
        self.parent = parent

    @property
    def shown(self) -> str:
        return self.raw if self.parent.name in ("script", "style") else unescape(self.raw)


class Other:
    """A comment, a declaration, or an end tag without a beginning."""

    __slots__ = ("parent", "raw")

    def __init__(self, raw: str, parent: "Element") -> None:
        self.raw = raw
        self.parent = parent


class Element:
    """`opening` and `closing` are its tags as they were written, empty where they were not."""

    __slots__ = ("attributes", "children", "closing", "name", "opening", "parent")

    def __init__(
        self, name: str, attributes: Mapping[str, str], opening: str, parent: "Element | None"
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.opening = opening
        self.closing = ""
        self.parent = parent
        self.children: list[Node] = []

    def classes(self) -> list[str]:
        """Its classes in lower case, the first twenty."""
        return self.attributes.get("class", "").lower().split(None, 20)[:20]


Node: TypeAlias = Element | Text | Other
Step: TypeAlias = tuple[Literal["open", "close"], Element] | tuple[Literal["text"], Text]


def parse(document: str) -> Element:
    """The document below a root without name; never raises."""
    builder = _Builder()
    read = tags = references = 0
    for token in tokens(document):
        references += token.raw.count("&")
        if tags == budget.MAX_TAGS or references > budget.MAX_REFERENCES:
            builder.root.children.append(Other(document[read:], builder.root))
            break
        builder.take(token)
        read += len(token.raw)
        tags += token.kind != "text"
    return builder.root


def serialise(root: Element) -> str:
    """The document as it was written, without what was taken out of the tree."""
    parts: list[str] = []
    stack: list[Node | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, Element):
            parts.append(node.opening)
            stack += [node.closing, *reversed(node.children)]
        else:
            parts.append(node.raw)
    return "".join(parts)


def walk(root: Element) -> Iterator[Step]:
    """Every element, when it begins and when it ends, and every text between, in order."""
    # One that has been opened stands in a list of its own until it ends.
    stack: list[Node | list[Element]] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Text):
            yield "text", node
        elif isinstance(node, Element):
            yield "open", node
            stack.append([node])
            stack.extend(reversed(node.children))
        elif isinstance(node, list):
            yield "close", node[0]


class _Builder:
    def __init__(self) -> None:
        self.root = Element("", {}, "", None)
        self._stack = [self.root]
        self._open: Counter[str] = Counter()
        # Formatting that a block's end cut short: it goes on in what follows.
        self._cut: list[Element] = []

    def take(self, token: Token) -> None:
        if token.kind == "start":
            self._start(token)
        elif token.kind == "end":
            self._end(token)
        elif token.kind == "text":
            if not token.raw.isspace() and self._top.name not in RAW_TEXT:
                self._leave_head()
                self._reopen()
            self._top.children.append(Text(token.raw, self._top))
        else:
            self._top.children.append(Other(token.raw, self._top))

    @property
    def _top(self) -> Element:
        return self._stack[-1]

    def _start(self, token: Token) -> None:
        name = token.name
        if name not in _IN_HEAD:
            self._leave_head()
        if name in BLOCKS and name not in _TABLE - {"table"}:
            self._end_implied({"p"}, _WALLS)
        if name in _IMPLIED:
            self._end_implied(*_IMPLIED[name])
        if name not in BLOCKS and name not in RAW_TEXT:
            self._reopen()
        self._append(Element(name, token.attributes, token.raw, self._top))

    def _append(self, element: Element) -> None:
        self._top.children.append(element)
        if element.name in VOID:
            return
        if len(self._stack) > MAX_DEPTH:
            self._open[self._stack.pop().name] -= 1
        self._stack.append(element)
        self._open[element.name] += 1

    def _leave_head(self) -> None:
        if self._top.name == "head":
            self._close_from(len(self._stack) - 1)

    def _reopen(self) -> None:
        cut, self._cut = self._cut, []
        for element in cut:
            self._append(Element(element.name, element.attributes, "", self._top))

    def _end_implied(self, names: set[str], walls: set[str] | frozenset[str]) -> None:
        if not any(self._open[name] for name in names):
            return
        for place in range(len(self._stack) - 1, 0, -1):
            name = self._stack[place].name
            if name in names:
                self._close_from(place)
                return
            if name in walls:
                return

    def _end(self, token: Token) -> None:
        place = self._place_of(token.name) if self._open[token.name] else 0
        if place:
            element = self._stack[place]
            self._close_from(place)
            element.closing = token.raw
        elif token.name == "br":
            self._append(Element("br", {}, token.raw, self._top))
        else:
            self._cut = [element for element in self._cut if element.name != token.name]
            self._top.children.append(Other(token.raw, self._top))

    def _place_of(self, name: str) -> int:
        """Where the element stands that this end tag ends; 0 if it may end none."""
        for place in range(len(self._stack) - 1, 0, -1):
            open_name = self._stack[place].name
            if open_name == name:
                return place
            if name not in _TABLE and (open_name in _WALLS or (name not in BLOCKS and open_name in BLOCKS)):
                return 0
        return 0

    def _close_from(self, place: int) -> None:
        closed = self._stack[place:]
        del self._stack[place:]
        for element in closed:
            self._open[element.name] -= 1
        cut = [element for element in closed[1:] if element.name in _FORMATTING]
        through_a_wall = any(element.name in _WALLS for element in closed)
        self._cut = [] if through_a_wall else [*self._cut, *cut][-3:]
