"""Take out of an HTML answer what it quotes, and leave the rest as it was written.

Mail programs mark their quotes: Gmail, Apple Mail, Thunderbird, Yahoo and
others with containers, Outlook with a block of From/Sent/To/Subject after
which everything is old. What they do not mark is known by the parent's text.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from inbound.reading import budget
from inbound.reading.answers import old_from
from inbound.reading.attribution import is_forward, markers
from inbound.reading.hidden import has_seen_text, look_at
from inbound.reading.html_lines import Line, lines_of
from inbound.reading.html_tree import Element, Other, Text, serialise, walk
from inbound.reading.parent_match import ParentMatch
from inbound.reading.quote_marks import begins_the_rest, is_quote, start_of_text

_SHOWN = frozenset({"img", "hr", "video", "audio", "svg", "input"})


@dataclass(slots=True)
class Taken:
    """What is left: `html` is None where nothing was taken, or all. `removed` is the text that went."""

    html: str | None = None
    removed: list[str] = field(default_factory=list)


def take_quotes(root: Element, parent: ParentMatch, *, forwarded: bool = False) -> Taken:
    """The document without its quotes, which are taken out of `root` too. Never raises."""
    taken = Taken()
    marked, rest = _find_marked(root, forwarded)
    gaps = _cut_out(marked, taken)
    if rest is not None and not _has_answers(root, rest, gaps, parent, taken):
        gaps |= _cut_out({id(old): old for old in _from_here_on(rest)}, taken)
    _take_lines(root, parent, gaps, taken)
    for gap in gaps.values():
        _prune(gap.parent)
    if taken.removed and _has_content(root):
        taken.html = serialise(root)
    return taken


def _find_marked(root: Element, forwarded: bool) -> tuple[dict[int, Element], Element | None]:
    """What is marked as a quote, by ids, and from where on everything is old."""
    doomed: dict[int, Element] = {}
    inside = 0
    for step in walk(root):
        if step[0] == "text":
            continue
        element = step[1]
        if step[0] == "close":
            inside -= id(element) in doomed
        elif inside:
            continue
        elif (is_rest := begins_the_rest(element)) or is_quote(element):
            if forwarded or is_forward(start_of_text(element)):
                if is_rest or forwarded:
                    break
                continue
            if is_rest:
                return doomed, element
            doomed[id(element)] = element
            inside += 1
    return doomed, None


def _has_answers(
    root: Element, rest: Element, gaps: Container[int], parent: ParentMatch, taken: Taken
) -> bool:
    """Whether new lines stand among the old ones from `rest` on; then the old ones are removed one by one."""
    lines = list(lines_of(root, gaps, rest=rest))
    texts = [line.text for line in lines]
    start = next(at for at, line in enumerate(lines) if line.is_rest)
    header = next((one for one in markers(texts, set()) if one.kind == "header" and one.start >= start), None)
    old = old_from(texts, start, header.end if header else start, parent, parent.runs(texts, set()))
    if len(old) == len(lines) - start:
        return False
    for at in old:
        _blank(lines[at], texts[at], taken)
    return True


def _from_here_on(element: Element) -> Iterator[Element]:
    """The element, the rule above it, and everything behind it in the document."""
    siblings = _elements_of(element.parent)
    place = next(at for at, sibling in enumerate(siblings) if sibling is element)
    yield element
    if place and siblings[place - 1].name == "hr":
        yield siblings[place - 1]
    here: Element | None = element
    while here is not None and here.parent is not None:
        children = here.parent.children
        place = next(at for at, child in enumerate(children) if child is here)
        for child in children[place + 1 :]:
            if isinstance(child, Element):
                yield child
            elif isinstance(child, Text):
                child.raw = ""
        here = here.parent


def _elements_of(parent: Element | None) -> list[Element]:
    return [child for child in parent.children if isinstance(child, Element)] if parent else []


def _cut_out(doomed: dict[int, Element], taken: Taken) -> dict[int, Other]:
    gaps: dict[int, Other] = {}
    for parent in {id(old.parent): old.parent for old in doomed.values() if old.parent}.values():
        for place, child in enumerate(parent.children):
            if id(child) in doomed and isinstance(child, Element):
                if len(taken.removed) < budget.MAX_REMOVED:
                    taken.removed += [text for text in look_at(child) if text]
                gap = parent.children[place] = Other("", parent)
                gaps[id(gap)] = gap
    return gaps


def _take_lines(root: Element, parent: ParentMatch, gaps: Container[int], taken: Taken) -> None:
    """Remove lines that repeat the parent, and the attributions right above what was removed."""
    lines = list(lines_of(root, gaps))
    texts = [line.text for line in lines]
    quoted = {place for place, line in enumerate(lines) if line.is_gap}
    quoted |= parent.runs(texts, quoted)
    for marker in markers(texts, quoted):
        if marker.kind == "forward":
            quoted = {place for place in quoted if place < marker.start}
            break
        below = next((at for at in range(marker.end, len(lines)) if at in quoted or texts[at]), None)
        if below in quoted:
            quoted |= set(range(marker.start, marker.end))
    for place in sorted(quoted):
        _blank(lines[place], texts[place], taken)


def _blank(line: Line, text: str, taken: Taken) -> None:
    if text:
        taken.removed.append(text)
    for node in line.nodes:
        node.raw = ""
        _prune(node.parent)


def _prune(element: Element) -> None:
    """Take out an element that shows nothing any more, and those around it."""
    while element.parent is not None and element.opening and len(element.children) < 50:
        if element.name in ("td", "th", "body", "html") or any(_shows(child) for child in element.children):
            return
        element.opening = element.closing = ""
        element.children = []
        element = element.parent


def _shows(node: Element | Text | Other) -> bool:
    if isinstance(node, Element):
        return bool(node.opening) and node.name != "br"
    return isinstance(node, Text) and not node.raw.isspace() and bool(node.raw)


def _has_content(root: Element) -> bool:
    if has_seen_text(root):
        return True
    return any(
        step[0] == "open" and step[1].name in _SHOWN - {"hr"} and step[1].opening for step in walk(root)
    )
