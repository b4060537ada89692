"""The links of HTML: wherever it names one, also where only some programs look."""

from collections.abc import Iterable, Iterator

from relay.message import links
from relay.message.html_tokens import tokens, unescape

# fmt: off
_NAMES_A_LINK = frozenset((
    "href", "src", "action", "formaction", "background", "poster", "cite", "data", "xlink:href", "ping",
    "longdesc", "codebase", "manifest",
))
# Text on both sides of these is one word.
_WITHIN_WORDS = frozenset((
    "a", "abbr", "b", "big", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "sub",
    "sup", "tt", "u", "wbr",
))
# fmt: on
_LEADS_NOWHERE = ("cid:", "data:image/", "#")


def links_of(texts: Iterable[str], html: str | None) -> tuple[str, ...]:
    """Every link in the texts and the HTML, once each, in normal form."""
    found = dict.fromkeys(link for text in texts for link in links.in_text(text))
    if html is not None:
        found |= dict.fromkeys(_in_html(html))
    return tuple(link for link in found if link)


def _in_html(html: str) -> Iterator[str]:
    shown: list[str] = []
    for token in tokens(html):
        if token.kind == "text":
            shown.append(unescape(token.raw))
            continue
        if token.name not in _WITHIN_WORDS:
            shown.append(" ")
        if token.kind == "other":
            # A conditional comment is HTML to some.
            yield from links.in_text(unescape(token.raw))
        for name, value in token.attributes.items():
            yield from _in_attribute(name, value)
    yield from links.in_text("".join(shown))


def _in_attribute(name: str, value: str) -> Iterator[str]:
    if name == "srcset":
        yield from (links.normal(each.split()[0]) for each in value.split(",") if each.split())
    elif name in _NAMES_A_LINK:
        if not value.strip().lower().startswith(_LEADS_NOWHERE):
            yield links.normal(value)
    else:
        yield from links.in_text(value)
