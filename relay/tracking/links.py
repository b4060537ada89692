"""Replace what the links of an HTML document lead to; every other character stays as it is.

Links are the `href` of `<a>` and `<area>` where a browser would see a tag:
nothing in comments (conditional ones too), scripts or styles is touched, nor a
tag that has no end. A link whose tag has an attribute `data-no-track`, or
`data-…-no-track`, stays as it is.
"""

import re
from collections.abc import Callable, Iterator

from relay.message.html_tokens import Token, attribute_places, tokens, unescape_value

MOST_LINKS = 5000

_LINKS = frozenset({"a", "area"})
_LEFT_ALONE = re.compile(r"data-(?:.+-)?no-?track\Z")
_LONGEST = 8000
# What ends a value, quoted or not, once its references are written.
_ENDS = re.compile(r"[\s\"'<>`]")


def replace_links(document: str, instead: Callable[[str], str | None]) -> str:
    """The document with `instead(href)` for each href (unescaped) of which that is not None.

    Raises ValueError where that would not stay inside its attribute.
    """
    return "".join(_pieces(document, instead))


def _pieces(document: str, instead: Callable[[str], str | None]) -> Iterator[str]:
    left = MOST_LINKS
    for token in tokens(document):
        start, end = _place(token) if left else (0, 0)
        found = instead(unescape_value(token.raw[start:end])) if end else None
        if found is None:
            yield token.raw
        else:
            left -= 1
            yield token.raw[:start] + _escaped(found) + token.raw[end:]


def _place(token: Token) -> tuple[int, int]:
    """Where the address of a link stands in its tag; (0, 0) for what is none, or is left alone."""
    if token.kind != "start" or token.name not in _LINKS or not token.attributes.get("href"):
        return 0, 0
    if any(_LEFT_ALONE.match(name) for name in token.attributes):
        return 0, 0
    # Of several, browsers take the first.
    start, end = next((start, end) for name, start, end in attribute_places(token.raw) if name == "href")
    return (start, end) if end - start <= _LONGEST else (0, 0)


def _escaped(address: str) -> str:
    spelled = address.replace("&", "&amp;").replace("'", "&#39;")
    if _ENDS.search(spelled):
        raise ValueError(f"{address!r} does not stay inside an attribute")
    return spelled
