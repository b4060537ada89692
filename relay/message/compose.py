"""A message made from what a person or a program wants to say.

Whatever is given here becomes exactly the fields and parts it names: nothing
that is put in can end a line, name another field or add a recipient. The
result is ASCII, but for local parts that need SMTPUTF8 (RFC 6532). RFC 5322,
RFC 2045–2047, RFC 2231, RFC 2387. The blind recipients are no part of it.
"""

import re
from collections.abc import Iterator

from relay.address import InvalidAddress, parse_address, quote_local_part
from relay.errors import InvalidInput
from relay.message.composition import ComposedAttachment, Composition, InvalidComposition
from relay.message.headers import encode_words, fold, format_date
from relay.message.parts import Part, file_part, multipart, text_part
from relay.message.person import Person

__all__ = ["ComposedAttachment", "Composition", "InvalidComposition", "compose"]

MAX_FILENAME = 255

_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[!-9;-~]{1,76}\Z")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ \-]+\Z")
_ENCODED_WORD = re.compile(r"=\?[^? ]*\?[bqBQ]\?")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}\Z")
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z{}-]+"
_CONTENT_TYPE = re.compile(
    rf"(?!multipart/){_WORD}/{_WORD}(?:; *{_WORD}=(?:{_WORD}|\"[ !#-\[\]-~]*\"))*\Z", re.IGNORECASE
)
_OWN_PARAMETER = re.compile(r"; *name\*?[0-9*]*=", re.IGNORECASE)
_AUTO_SUBMITTED = re.compile(r"[a-z-]+(?:;[ -~]*)?\Z")
# These are said by the composition itself, by the acceptance or on the way.
_OURS = {
    *("from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "mime-version"),
    *("message-id", "in-reply-to", "references", "received", "return-path"),
    *("dkim-signature", "authentication-results"),
}
_OUR_PREFIXES = ("arc-", "content-", "x-posthouse-")


def compose(composition: Composition) -> tuple[bytes, bytes]:
    """The header block, ending in CRLF, and the body; CRLF line ends throughout.

    The same composition always makes the same octets. Raises
    InvalidComposition naming the field that cannot be said. Takes time in
    proportion to the attachments: call it in a thread for large ones.
    """
    content = _content(composition)
    fields = [*_own_fields(composition), *_callers_fields(composition), ("MIME-Version", "1.0")]
    return b"".join([_folded(name, value) for name, value in fields]) + content.header, content.body


def _own_fields(said: Composition) -> Iterator[tuple[str, str]]:
    yield "From", _address("from", said.sender)
    if said.reply_to:
        yield "Reply-To", _addresses("reply_to", said.reply_to)
    if said.to or not said.cc:
        yield "To", _addresses("to", said.to) or "undisclosed-recipients:;"
    if said.cc:
        yield "Cc", _addresses("cc", said.cc)
    if said.subject:
        yield "Subject", encode_words(_checked("subject", said.subject))
    if said.date is not None:
        yield "Date", format_date(said.date)
    if said.message_id:
        yield "Message-ID", _message_id("message_id", said.message_id)
    if said.in_reply_to is not None:
        yield "In-Reply-To", _message_id("in_reply_to", said.in_reply_to)
    if said.references:
        ids = [_message_id(f"references[{place}]", text) for place, text in enumerate(said.references)]
        yield "References", " ".join(ids)
    if said.auto_submitted is not None:
        if not _AUTO_SUBMITTED.match(said.auto_submitted):
            raise InvalidComposition("auto_submitted", "is no value of Auto-Submitted (RFC 3834 §5)")
        yield "Auto-Submitted", said.auto_submitted


def _callers_fields(said: Composition) -> Iterator[tuple[str, str]]:
    for name, value in said.headers:
        path = f"headers.{name}" if _NAME.match(name) else "headers"
        lower = name.lower()
        if path == "headers":
            raise InvalidComposition(path, f"{name[:80]!r} is not a header field name")
        if lower in _OURS or lower.startswith(_OUR_PREFIXES):
            raise InvalidComposition(path, "this field is ours to write")
        if lower == "auto-submitted" and said.auto_submitted is not None:
            raise InvalidComposition(path, "this field is said already")
        yield name, _callers_value(path, _checked(path, value))


def _callers_value(path: str, value: str) -> str:
    """Text is encoded where it must be; the addresses and URLs of List fields cannot be."""
    if value.isascii() and not _ENCODED_WORD.search(value):
        return value
    if path.lower().startswith("headers.list-"):
        raise InvalidComposition(path, "must be ASCII without encoded-words")
    return encode_words(value)


def _content(said: Composition) -> Part:
    """Mixed around related around alternative, as far as there is anything for them."""
    shown = [file for file in said.attachments if _is_shown_by_html(said, file)]
    files = {id(file): _file(place, file) for place, file in enumerate(said.attachments)}
    texts = []
    if said.text is not None or not said.html:
        texts.append(text_part(_body_text("text", said.text or "")))
    if said.html:
        html = text_part(_body_text("html", said.html), "html")
        related = [files[id(file)] for file in shown]
        texts.append(multipart("related", [html, *related], 'type="text/html"') if related else html)
    content = multipart("alternative", texts) if len(texts) > 1 else texts[0]
    others = [files[id(file)] for file in said.attachments if not _is_shown_by_html(said, file)]
    return multipart("mixed", [content, *others]) if others else content


def _is_shown_by_html(said: Composition, file: ComposedAttachment) -> bool:
    return bool(said.html) and file.disposition == "inline" and file.content_id is not None


def _file(place: int, file: ComposedAttachment) -> Part:
    path = f"attachments[{place}]"
    filename = _checked(f"{path}.filename", file.filename)
    if "/" in filename or "\\" in filename or "\t" in filename or len(filename.encode()) > MAX_FILENAME:
        raise InvalidComposition(
            f"{path}.filename", f"must be one path component of at most {MAX_FILENAME} octets"
        )
    kind = file.content_type
    if len(kind) > MAX_FILENAME or not _CONTENT_TYPE.match(kind) or _OWN_PARAMETER.search(kind):
        raise InvalidComposition(f"{path}.content_type", "is not a content type for a file")
    if file.disposition not in ("attachment", "inline"):
        raise InvalidComposition(f"{path}.disposition", "must be attachment or inline")
    content_id = file.content_id
    if content_id is not None:
        content_id = content_id.removeprefix("<").removesuffix(">")
        if not _CONTENT_ID.match(content_id):
            raise InvalidComposition(f"{path}.content_id", "must be printable ASCII without spaces")
    return file_part(file.content, kind, filename, file.disposition, content_id)


def _addresses(path: str, people: tuple[Person, ...]) -> str:
    return ", ".join(_address(f"{path}[{place}]", person) for place, person in enumerate(people))


def _address(path: str, person: Person) -> str:
    try:
        address = parse_address(person.address)
    except InvalidAddress as error:
        raise InvalidComposition(path, str(error)) from error
    name = _checked(path, person.name).strip()
    spelled = f"{quote_local_part(address.local_part)}@{address.domain}"
    return f"{_phrase(name)} <{spelled}>" if name else spelled


def _phrase(name: str) -> str:
    """A display name: atoms as they are, other ASCII in quotes, the rest in encoded-words."""
    if not name.isascii() or "=?" in name or "\t" in name:
        return encode_words(name.replace("\t", " "))
    if _ATOMS.match(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _message_id(path: str, text: str) -> str:
    if not _MESSAGE_ID.match(text):
        raise InvalidComposition(path, "is not a Message-ID in angle brackets")
    return text


def _checked(path: str, text: str) -> str:
    if found := _UNSAFE.search(text):
        raise InvalidComposition(path, f"{found[0]!r} cannot stand in a header field")
    return text


def _body_text(path: str, text: str) -> str:
    if not text.isascii() and _SURROGATE.search(text):
        raise InvalidComposition(path, "has half a character: a lone surrogate")
    return text


def _folded(name: str, value: str) -> bytes:
    try:
        return fold(name, value)
    except InvalidInput as error:
        raise InvalidComposition(name.lower().replace("-", "_"), str(error)) from error
