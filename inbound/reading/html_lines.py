"""An HTML document in the lines that it is shown in, so that quotes are found as in plain text."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from inbound.reading.html_tree import BLOCKS, Element, Other, Text
from inbound.reading.invisible import without_unseen


@dataclass(slots=True)
class Line:
    """Text that is shown in one line, or a gap where a quote was taken out."""

    nodes: list[Text] = field(default_factory=list)
    is_gap: bool = False
    is_rest: bool = False  # from here on, everything is old

    @property
    def text(self) -> str:
        return " ".join(without_unseen("".join(node.shown for node in self.nodes))[0].split())


def lines_of(
    root: Element, gaps: Container[int], most: int | None = None, rest: Element | None = None
) -> Iterator[Line]:
    """The document in lines as they are shown, gaps among them, in order; of `most` nodes at most."""
    line = Line()
    stack: list[Element | Text | Other | None] = [root]
    seen = 0
    while stack and (most is None or seen < most):
        node = stack.pop()
        seen += 1
        if isinstance(node, Text):
            if node.parent.name not in ("style", "script", "title"):
                line.nodes.append(node)
            continue
        is_break = (
            node is None
            or id(node) in gaps
            or (isinstance(node, Element) and (node.name in BLOCKS or node.name == "br"))
        )
        if is_break and line.nodes:
            yield line
            line = Line()
        if isinstance(node, Other) and id(node) in gaps:
            yield Line(is_gap=True)
        elif isinstance(node, Element):
            if node is rest:
                yield Line(is_rest=True)
            stack += [None] if is_break else []
            stack.extend(reversed(node.children[:most]))
    if line.nodes:
        yield line
