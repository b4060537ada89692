"""HTML as a flat row of tokens, as browsers cut it (WHATWG HTML §13.2.5), in time linear in its length.

Joined, the raw texts of the tokens are the document again. What a browser
would swallow (an open comment, a tag without its end) is one token to the
end of the document. The standard library's parser takes quadratic time on such.
"""

import html
import re
from collections.abc import Iterator, Mapping
from html.entities import html5
from types import MappingProxyType
from typing import Literal, NamedTuple

MAX_ATTRIBUTES = 200_000  # of all tags together
_LONGEST_VALUE = 10_000
_MARKUP = re.compile(r"<(?:(/?)([A-Za-z][^\s/>\x00]{0,100}+)|!--|[!?/])")
_ATTRIBUTE = re.compile(r"[\s/]*+(?:([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+([\"'])?)?|(=)|(>)|\Z)")
_UNQUOTED = re.compile(r"[^\s>]*+")
_COMMENT_END = re.compile(r"--!?>")
_REFERENCE = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|([^\t\n\f <&#;]{1,32};?))")
# Of those that need no semicolon.
_LONGEST_OPEN_NAME = max(len(name) for name in html5 if not name.endswith(";"))
_IN_VALUE = re.compile(r"&(#[0-9]{1,12}+|#[xX][0-9A-Fa-f]{1,12}+|[A-Za-z][A-Za-z0-9]{0,40}+)(;?)")
_HUGE_NUMBER = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9A-Fa-f]{8,}+);?")
# Their content is text up to their end tag, whatever it looks like.
RAW_TEXT = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})


class Token(NamedTuple):
    """`name` and attribute names are in lower case, attribute values unescaped; text stays raw."""

    kind: Literal["start", "end", "text", "other"]
    raw: str
    name: str = ""
    attributes: Mapping[str, str] = MappingProxyType({})


def tokens(document: str) -> Iterator[Token]:
    """The document in tokens, in order and without a gap; never raises."""
    at = text_from = 0
    left = MAX_ATTRIBUTES
    while found := _MARKUP.search(document, at):
        token, left = _tag(document, found, left) if found[2] else (_other(document, found), left)
        if found.start() > text_from:
            yield Token("text", document[text_from : found.start()])
        yield token
        at = text_from = found.start() + len(token.raw)
        if token.kind == "start" and token.name in RAW_TEXT:
            at = _end_of_raw_text(document, token.name, at)
    if text_from < len(document):
        yield Token("text", document[text_from:])


def attribute_places(tag: str) -> Iterator[tuple[str, int, int]]:
    """The attributes of one start tag in its raw text: names in lower case, and where each value stands."""
    found = _MARKUP.match(tag)
    at = found.end() if found and found[2] else len(tag)
    while (part := _ATTRIBUTE.match(tag, at)) is not None and not part[4] and part.end() < len(tag):
        at = part.end()
        if part[1] is not None:
            start, end, at = _place(tag, part)
            if at < 0:
                return
            yield part[1].lower(), start, end


def unescape(text: str) -> str:
    """Character references resolved; a number too large for any character becomes U+FFFD."""
    if "&" not in text:
        return text
    return _REFERENCE.sub(_resolved, _HUGE_NUMBER.sub("\ufffd", text) if "&#" in text else text)


def _resolved(found: re.Match[str]) -> str:
    """As `html.unescape`, which looks for thirty beginnings of a name that there is not."""
    name = found[1]
    if name is None:
        return html.unescape(found[0])
    if name in html5:
        return html5[name]
    for length in range(min(len(name) - 1, _LONGEST_OPEN_NAME), 1, -1):
        if name[:length] in html5:
            return html5[name[:length]] + name[length:]
    return found[0]


def unescape_value(value: str) -> str:
    """Character references of an attribute's value resolved as browsers do it there.

    A name without its semicolon counts only where neither a letter, a digit
    nor `=` follows: the query `?a=1&copy=2` says what it seems to say.
    """
    return _IN_VALUE.sub(_resolved_in_value, value) if "&" in value else value


def _resolved_in_value(found: re.Match[str]) -> str:
    name = found[1]
    if name.startswith("#"):
        return unescape(f"&{name};")
    if found[2] and f"{name};" in html5:
        return html5[f"{name};"]
    follows = found[2] or found.string[found.end() : found.end() + 1]
    return html5[name] if name in html5 and follows != "=" else found[0]


def _other(document: str, found: re.Match[str]) -> Token:
    """A comment, a declaration, or what browsers take for one."""
    if found[0] != "<!--":
        end = document.find(">", found.end()) + 1
        return Token("other", document[found.start() : end or len(document)])
    close = _COMMENT_END.search(document, found.end())
    if document.startswith((">", "->"), found.end()):
        return Token("other", document[found.start() : document.index(">", found.end()) + 1])
    return Token("other", document[found.start() : close.end() if close else len(document)])


def _tag(document: str, found: re.Match[str], left: int) -> tuple[Token, int]:
    """A tag of at most `left` attributes, and how many are left; with more it has no end."""
    attributes: dict[str, str] = {}
    at = found.end()
    while True:
        part = _ATTRIBUTE.match(document, at)
        if part is None or left <= 0 or (part.end() == len(document) and not part[4]):
            return Token("other", document[found.start() :]), left
        left -= 1
        at = part.end()
        if part[4]:
            break
        if part[1] is None:
            continue
        value, at = _value(document, part)
        if at < 0:
            return Token("other", document[found.start() :]), left
        attributes.setdefault(part[1].lower(), value)
    kind: Literal["start", "end"] = "end" if found[1] else "start"
    return Token(kind, document[found.start() : at], found[2].lower(), attributes), left


def _value(document: str, part: re.Match[str]) -> tuple[str, int]:
    """The value of an attribute and where it ends; -1 where its quote is never closed."""
    start, end, after = _place(document, part)
    return _shown(document, start, end), after


def _place(document: str, part: re.Match[str]) -> tuple[int, int, int]:
    """Where a value begins and ends, and what comes after; -1 where its quote is never closed."""
    if part[2]:
        end = document.find(part[2], part.end())
        return part.end(), end, end + 1 if end >= 0 else -1
    if not part[0].rstrip().endswith("="):
        return part.end(), part.end(), part.end()
    unquoted = _UNQUOTED.match(document, part.end())
    assert unquoted is not None
    return unquoted.start(), unquoted.end(), unquoted.end()


def _shown(document: str, start: int, end: int) -> str:
    """The beginning of a value: more of it means nothing to us."""
    return unescape(document[start : min(end, start + _LONGEST_VALUE)])


def _end_of_raw_text(document: str, name: str, at: int) -> int:
    found = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(document, at)
    return found.start() if found else len(document)
