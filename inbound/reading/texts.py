"""Which parts are the text of a message, and which are attachments (RFC 2046 §5.1, RFC 2387, RFC 1847).

Of alternatives the last plain and the last HTML one count; of other parts all
text is put together in order. A message inside the message is an attachment,
and so is a text that has a file name.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass, field

from inbound.reading.charsets import decode, octets_needed
from inbound.reading.charsets import size_of as size_of_text
from inbound.reading.filenames import clean_filename
from inbound.reading.parsed import Attachment
from inbound.reading.plain import html_to_text
from inbound.reading.transfer import size_of, undo
from inbound.reading.tree import Part

MAX_TEXT = 4 * 1024 * 1024  # octets in UTF-8
# Of the text of one message, before it is decoded.
_MAX_OCTETS = 6 * MAX_TEXT


@dataclass(frozen=True, slots=True)
class Text:
    """What some parts say: plain, and as HTML where there is any."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Texts:
    """Reads the text of a tree; what is no text gathers in `attachments`."""

    octets: bytes
    leaves: dict[int, int]  # the number of each leaf, by its identity
    flags: dict[str, None]
    attachments: list[Attachment] = field(default_factory=list)
    _left: int = MAX_TEXT
    _octets_left: int = _MAX_OCTETS

    def read(self, part: Part, *, inside: str = "", is_first: bool = True) -> Text:
        """The text of one part; `inside` is the type of the multipart around it."""
        if not part.is_multipart:
            if is_body_text(part, is_first):
                return self._leaf(part)
            self.attachments.append(self._attachment(part, inside))
            return Text()
        kind = part.content_type
        if kind in ("multipart/related", "multipart/signed"):
            return self._rooted(part, kind, is_first)
        read = [
            self.read(
                child, inside=kind, is_first=is_first and (place == 0 or kind == "multipart/alternative")
            )
            for place, child in enumerate(part.children)
        ]
        return _chosen(read) if kind == "multipart/alternative" else self._together(read)

    def _rooted(self, part: Part, kind: str, is_first: bool) -> Text:
        """One child is what is shown (RFC 2387 §3.2: `start`, else the first), the others belong to it."""
        start = part.parameters.get("start", "").strip().strip("<>")
        root = next(
            (child for child in part.children if start and child.content_id == start), part.children[0]
        )
        text = Text()
        for child in part.children:
            if child is root:
                text = self.read(child, inside=kind, is_first=is_first)
            else:
                self.attachments.extend(self._attachment(leaf, kind) for leaf in child.leaves())
        return text

    def _leaf(self, part: Part) -> Text:
        octets = memoryview(self.octets)[part.start : part.end][: self._octets_left]
        if part.end - part.start > self._octets_left:
            self.flags["text_truncated"] = None
        self._octets_left -= len(octets)
        content, is_well = undo(octets, part.encoding, octets_needed(self._left))
        if not is_well:
            self.flags["bad_encoding"] = None
        text, flags = decode(content, part.parameters.get("charset", "").strip(), self._left)
        self.flags.update(dict.fromkeys(flags))
        self._left -= size_of_text(text)
        return Text(html=text) if part.content_type == "text/html" else Text(plain=text)

    def _together(self, texts: list[Text]) -> Text:
        """All of them, one below the other; HTML only if one of them is."""
        texts = [text for text in texts if (text.plain or "").strip() or (text.html or "").strip()]
        if len(texts) <= 1:
            return texts[0] if texts else Text()
        plain = None
        if any(text.plain is not None for text in texts):
            plain = _lines(self.plain_of(text) for text in texts)
        if all(text.html is None for text in texts):
            return Text(plain)
        return Text(plain, "\n".join(_html_of(text) for text in texts)[:MAX_TEXT])

    def plain_of(self, text: Text) -> str:
        """Its plain form, made from the HTML where there is no other."""
        if text.plain is not None and (text.plain.strip() or text.html is None):
            return text.plain
        plain, is_whole = html_to_text(text.html or "", MAX_TEXT)
        if not is_whole:
            self.flags["text_truncated"] = None
        return plain

    def _attachment(self, part: Part, inside: str) -> Attachment:
        return Attachment(
            part=self.leaves[id(part)],
            filename=clean_filename(part.filename),
            content_type=part.content_type,
            disposition="inline" if _is_inline(part, inside) else "attachment",
            content_id=part.content_id or None,
            size=size_of(memoryview(self.octets)[part.start : part.end], part.encoding),
        )


def is_body_text(part: Part, is_first: bool) -> bool:
    """Whether a leaf is read as text; the very first one may have a name in its type."""
    if part.content_type not in ("text/plain", "text/html") or part.disposition.value == "attachment":
        return False
    return not part.filename or (is_first and not part.disposition.value)


def _chosen(texts: list[Text]) -> Text:
    """RFC 2046 §5.1.4: the last is the richest; an empty one does not count."""
    plains = [text.plain for text in texts if text.plain is not None]
    htmls = [text.html for text in texts if text.html is not None]
    return Text(_last(plains), _last(htmls))


def _last(texts: list[str]) -> str | None:
    return next((text for text in reversed(texts) if text.strip()), texts[-1] if texts else None)


def _lines(texts: Iterable[str]) -> str:
    return "".join(text.rstrip("\n") + "\n" for text in texts)[:MAX_TEXT]


def _html_of(text: Text) -> str:
    if text.html is not None:
        return text.html
    return f'<div style="white-space: pre-wrap">{html.escape(text.plain or "")}</div>'


def _is_inline(part: Part, inside: str) -> bool:
    if part.disposition.value in ("inline", "attachment"):
        return part.disposition.value == "inline"
    is_shown = inside == "multipart/related" or part.content_type.startswith("image/")
    return bool(part.content_id) and is_shown
