"""Where something is put into a mail's HTML, and an image that tells of its loading.

Insertions go before the end of the body, or behind a document that does not
mark it. In one that ends inside a comment, a tag or a style nothing is
inserted: it would be swallowed, or become part of it.
"""

import html
import re

from relay.message.html_tokens import RAW_TEXT, Token, tokens

# As it is written, as editors spell it in an address, and as the mark that templates leave for it.
UNSUBSCRIBE_URL = "https://unsubscribe.invalid/this-message"
PLACEHOLDER = re.compile(
    r"(?:\{\{|%7[Bb]%7[Bb])\s*unsubscribe_url\s*(?:\}\}|%7[Dd]%7[Dd])|" + re.escape(UNSUBSCRIBE_URL)
)
_IN_EACH_PLACEHOLDER = "unsubscribe"
_TAG = re.compile(r"</?[A-Za-z]")
_COMMENT_ENDS = ("-->", "--!>", "<!-->", "<!--->")


def has_placeholder(text: str) -> bool:
    """Whether PLACEHOLDER stands in it; most mail lacks its word, which is sooner looked for."""
    return _IN_EACH_PLACEHOLDER in text and PLACEHOLDER.search(text) is not None


def before_the_end(document: str, inserted: str) -> str:
    """The document with something before its `</body>`, or the document as it is where nothing can be."""
    at = end_of_body(document)
    return document if at is None else document[:at] + inserted + document[at:]


def end_of_body(document: str) -> int | None:
    """Where an insertion is seen last; None where it would not be seen."""
    at = 0
    end: int | None = None
    unclosed, last = "", Token("text", "")
    for last in tokens(document):
        if last.kind == "end" and last.name in ("body", "html") and (end is None or last.name == "body"):
            end = at
        if last.kind == "start" and last.name in RAW_TEXT:
            unclosed = last.name
        elif last.kind == "end" and last.name == unclosed:
            unclosed = ""
        at += len(last.raw)
    if end is not None:
        return end
    return at if not unclosed and _is_closed(last) else None


def pixel(address: str) -> str:
    """An image that nobody sees."""
    return f'<img src="{html.escape(address)}" width="1" height="1" alt="" style="display:block;border:0">'


def _is_closed(last: Token) -> bool:
    if last.kind != "other":
        return True
    if last.raw.startswith("<!--"):
        return last.raw.endswith(_COMMENT_ENDS)
    return not _TAG.match(last.raw) and last.raw.endswith(">")
