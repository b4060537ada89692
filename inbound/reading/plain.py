"""The text that an HTML part shows, for messages that have no plain one.

Block elements become line breaks, quotations get `> `, the targets of links
follow their text. One pass: the standard library's parser takes quadratic time
on some broken markup, so tags are found here.
"""

import html
import re
from functools import lru_cache

# A less-than sign that begins no tag is text. No group is repeated possessively in this file: before Python
# 3.11.5 that goes wrong where the group fails halfway.
_TAG_BEGINS = re.compile(r"<(?=[A-Za-z!?/])")
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,60}+)((?:[^\"'>]++|\"[^\"]*+\"|'[^']*+'){0,10000})>")
_LOOSE_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]{0,60}+)([^>]*+)>")
_NO_CONTENT = re.compile(r"<[!?/]")
_HREF = re.compile(r"\shref\s{0,20}=\s{0,20}(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))", re.IGNORECASE)
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}(?![0-9])|#[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F])|[A-Za-z][A-Za-z0-9]{1,31});?"
)
_SPACE = re.compile(r"[ \t\n\r\f\u200b\ufeff]+")
_BLANK = re.compile(r"\n{3,}")

_RAW = frozenset(("script", "style", "title", "template", "noframes", "svg", "math", "object", "iframe"))
_PARAGRAPHS = frozenset(
    ("p", "blockquote", "ul", "ol", "dl", "table", "pre", "h1", "h2", "h3", "h4", "h5", "h6")
)
_LINES = (
    frozenset(
        ("address", "article", "aside", "body", "br", "caption", "center", "dd", "div", "dt", "fieldset")
    )
    | frozenset(("figcaption", "figure", "footer", "form", "header", "hr", "html", "li", "main", "tr"))
    | frozenset(("nav", "option", "section"))
)
MAX_TAGS = 100_000
_MAX_QUOTES = 10
_LONGEST_LINK = 2000


def html_to_text(source: str, limit: int) -> tuple[str, bool]:
    """What a reader without HTML shows, at most `limit` characters, and whether it is all.

    Takes time in proportion to `source`, of which it reads MAX_TAGS tags.
    """
    page = _Page()
    is_whole = page.read(source)
    text = page.text()
    return text[:limit], is_whole and len(text) <= limit


@lru_cache(maxsize=4096)
def _entity(text: str) -> str:
    return html.unescape(text)


def _unescape(text: str) -> str:
    return _ENTITY.sub(lambda found: _entity(found[0]), text) if "&" in text else text


class _Page:
    """The lines as far as they are read."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = self._pre = 0
        self._in_head = self._has_space = False
        self._link: tuple[str, int] | None = None

    def text(self) -> str:
        self._break(0)
        joined = "\n".join(self._lines).replace("\0", "\ufffd").replace("\xa0", " ")
        return _BLANK.sub("\n\n", joined).strip("\n")

    def read(self, source: str) -> bool:
        at, end, tag, tags = 0, len(source), _TAG, 0
        while at < end:
            tags += 1
            if tags > 2 * MAX_TAGS:
                return False
            begins = _TAG_BEGINS.search(source, at)
            if begins is None or begins.start() > at:
                after = end if begins is None else begins.start()
                self._add(source[at:after])
                at = after
                continue
            if found := tag.match(source, at):
                self._tag(found[2].lower(), bool(found[1]), found[3])
                if found[2].lower() in _RAW and not found[1] and not found[3].endswith("/"):
                    at = _after_raw(source, found.end(), found[2].lower())
                    continue
            elif tag is _TAG and _LOOSE_TAG.match(source, at):
                tag = _LOOSE_TAG  # a quote without end: looked for only once, it costs the whole rest
                continue
            elif _NO_CONTENT.match(source, at):
                at = _after_comment(source, at)
                continue
            else:
                break  # a tag without end hides the rest
            at = found.end()
        return True

    def _tag(self, name: str, is_end: bool, attributes: str) -> None:
        if name == "head":
            self._in_head = not is_end
        elif name == "blockquote":
            self._quote(is_end)
        elif name in _PARAGRAPHS:
            self._break(2)
        elif name in _LINES:
            self._break(1)
        if name in _PARAGRAPHS or name in _LINES:
            self._in_head = self._in_head and name == "html"
        if name == "pre":
            self._pre = max(self._pre + (-1 if is_end else 1), 0)
        elif name == "a":
            self._anchor(is_end, attributes)
        elif name in ("td", "th"):
            self._has_space = True
        elif name == "li" and not is_end:
            self._line.append("-")
            self._has_space = True

    def _quote(self, is_end: bool) -> None:
        """The empty line between belongs to the outer of the two."""
        if is_end:
            self._break(1)
            self._quotes = max(self._quotes - 1, 0)
        self._break(2)
        if not is_end:
            self._quotes += 1

    def _anchor(self, is_end: bool, attributes: str) -> None:
        if self._link is not None:
            target, start = self._link
            self._link = None
            said = "".join(self._line[start:]).strip()
            if said and target.rstrip("/") not in (said, said.rstrip("/")):
                self._line.append(f" <{target}>")
        if not is_end and (found := _HREF.search(attributes[: 2 * _LONGEST_LINK])):
            target = _unescape(found[1] or found[2] or found[3] or "").strip()
            if target[:8].lower().startswith(("http://", "https://")) and len(target) <= _LONGEST_LINK:
                self._link = (_SPACE.sub("", target), len(self._line))

    def _add(self, text: str) -> None:
        if self._in_head:
            return
        text = _unescape(text)
        if self._pre:
            first, *others = text.split("\n")
            self._line.append(first)
            for line in others:
                self._break(1)
                self._line.append(line)
            return
        words = _SPACE.sub(" ", text)
        if self._has_space or words.startswith(" "):
            words = (" " if self._line else "") + words.lstrip(" ")
        self._has_space = words.endswith(" ") or (not words.strip() and self._has_space)
        if stripped := words.rstrip(" "):
            self._line.append(stripped)

    def _break(self, lines: int) -> None:
        """End the line at hand; two leave an empty one behind it."""
        marks = "> " * min(self._quotes, _MAX_QUOTES)
        if self._line:
            self._lines.append((marks + "".join(self._line)).rstrip())
        elif lines == 1 and self._lines and self._lines[-1].strip("> ") and self._pre:
            self._lines.append(marks.rstrip())
        if lines == 2 and self._lines and self._lines[-1].strip("> "):
            self._lines.append(marks.rstrip())
        self._line, self._has_space = [], False
        if self._link:
            self._link = (self._link[0], 0)


@lru_cache(maxsize=16)
def _end_tag(name: str) -> re.Pattern[str]:
    return re.compile(rf"</{name}[\s/>]", re.IGNORECASE)


def _after_raw(source: str, at: int, name: str) -> int:
    """Where the end tag of an element begins whose content is not shown; without one, the end."""
    found = _end_tag(name).search(source, at)
    return found.start() if found else len(source)


def _after_comment(source: str, at: int) -> int:
    """Behind a comment or declaration; without an end it hides the rest."""
    mark = "-->" if source.startswith("<!--", at) else ">"
    # `<!-->` is a whole comment.
    end = source.find(mark, at + 2)
    return len(source) if end < 0 else end + len(mark)
