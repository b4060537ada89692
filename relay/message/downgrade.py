"""Make a copy of an 8-bit message that a server without 8BITMIME takes (RFC 6152 §3).

Only bodies with octets beyond ASCII change, and only their encoding: who
decodes them reads what was sent. What is signed or encrypted is never
touched, and header fields are never rewritten into something else: raw
octets in them, the message's own and those of parts, stay as they are.
"""

import binascii
import re

from relay.errors import InvalidInput
from relay.message.headers import Field, Header
from relay.message.mime import Entity, MalformedEntity, split_multipart
from relay.message.transfer import to_base64, to_quoted_printable

MAX_DEPTH = 20
MAX_PARTS = 1000

_UNTOUCHABLE = {"multipart/signed", "multipart/encrypted"}
# RFC 2046 §5.2, RFC 3464, RFC 8098, RFC 5965: these have no other encoding than 7bit.
_SEVEN_BIT_ONLY = {
    "message/partial",
    "message/external-body",
    "message/delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
}
_PLAIN_ENCODINGS = {"7bit", "8bit", "binary"}
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")


class CannotConvert(InvalidInput):
    """No seven-bit copy of this message says the same; the text says why. Its recipients fail with 5.6.3."""


class _Place:
    """Where in the message we are; the budget of parts is one for all of it."""

    def __init__(self) -> None:
        self.boundaries: tuple[bytes, ...] = ()
        self._depth = 0
        self._budget = iter(range(MAX_PARTS))

    def inside(self, boundary: str | None = None) -> "_Place":
        """The place of one more part, within delimiters of `boundary`; raises CannotConvert at the bounds."""
        if self._depth >= MAX_DEPTH or next(self._budget, None) is None:
            raise CannotConvert("the message has too many parts, or parts too deep inside others")
        place = _Place()
        place.boundaries = (*self.boundaries, b"--" + boundary.encode()) if boundary else self.boundaries
        place._depth, place._budget = self._depth + 1, self._budget
        return place


def to_seven_bit(header: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Header block and body with every part's content in ASCII, decoding to the octets that it had.

    A body without octets beyond ASCII comes back as it is, and so do raw
    octets in any header. Signatures over the old form no longer hold: sign
    the result. Raises CannotConvert.
    Takes about 10 ms a megabyte: call it in a thread for large messages.
    """
    if body.isascii():
        return header, body
    try:
        entity = Entity(header, body)
        new_header, new_body = _convert(entity, _Place())
    except MalformedEntity as error:
        raise CannotConvert(str(error)) from error
    return bytes(_with_mime_fields(entity, new_header)), new_body


def _convert(entity: Entity, place: _Place) -> tuple[Header, bytes]:
    if entity.body.isascii():
        return entity.header, entity.body
    kind = entity.content_type
    if kind in _UNTOUCHABLE or kind in _SEVEN_BIT_ONLY:
        raise CannotConvert(f"{kind} with octets beyond ASCII must not be changed")
    if kind.startswith("multipart/"):
        return _plain(entity), _convert_multipart(entity, place)
    if kind == "message/rfc822":
        return _plain(entity), _convert_message(entity.body, place)
    return _convert_leaf(entity, place)


def _convert_multipart(entity: Entity, place: _Place) -> bytes:
    boundary = entity.boundary or ""
    pieces = split_multipart(entity.body, boundary)
    default_type = "message/rfc822" if entity.content_type == "multipart/digest" else "text/plain"
    if not pieces.parts or not pieces.epilogue.isascii():
        raise CannotConvert("a multipart has octets beyond ASCII outside its parts")
    converted = [_EIGHT_BIT.sub(b"?", pieces.preamble)]  # which no reader shows
    for delimiter, part in pieces.parts:
        converted += [delimiter, _convert_part(part, default_type, place.inside(boundary))]
    return b"".join([*converted, pieces.epilogue])


def _convert_part(part: bytes, default_type: str, place: _Place) -> bytes:
    if part.isascii():
        return part
    header, body = _convert(Entity.read(part, default_type=default_type), place)
    return bytes(header) + b"\r\n" + body


def _convert_message(message: bytes, place: _Place) -> bytes:
    inner = Entity.read(message)
    header, body = _convert(inner, place.inside())
    return bytes(_with_mime_fields(inner, header)) + b"\r\n" + body


def _convert_leaf(entity: Entity, place: _Place) -> tuple[Header, bytes]:
    octets = entity.body
    if entity.encoding == "quoted-printable":
        octets = binascii.a2b_qp(octets)  # what readers make of the stray octets in it
    elif entity.encoding not in _PLAIN_ENCODINGS:
        raise CannotConvert(f"a part said to be {entity.encoding[:40]!r} has octets beyond ASCII")
    if entity.content_type.startswith("text/"):
        encoded = to_quoted_printable(octets)
        if not _has_delimiter(encoded, place.boundaries):
            return _with_encoding(entity.header, "quoted-printable"), encoded
    return _with_encoding(entity.header, "base64"), to_base64(octets)


def _has_delimiter(encoded: bytes, boundaries: tuple[bytes, ...]) -> bool:
    """Whether a soft line break made a delimiter out of the middle of a line."""
    return any(encoded.startswith(boundary) or b"\n" + boundary in encoded for boundary in boundaries)


def _plain(entity: Entity) -> Header:
    """The header of a multipart or message whose content has become seven-bit (RFC 2045 §6.4)."""
    if entity.encoding not in _PLAIN_ENCODINGS:
        raise CannotConvert(f"{entity.content_type} cannot be {entity.encoding[:40]!r}")
    return entity.header if entity.encoding == "7bit" else _with_encoding(entity.header, "7bit")


def _with_encoding(header: Header, encoding: str) -> Header:
    """The same fields; the encoding stands where it stood, or last."""
    new = Field("content-transfer-encoding", f"Content-Transfer-Encoding: {encoding}\r\n".encode())
    fields = [new if old.name_lower == new.name_lower else old for old in header.fields]
    return Header(fields if new in fields else [*fields, new])


def _with_mime_fields(entity: Entity, header: Header) -> Header:
    """Without MIME-Version an encoding means nothing: add it, and the type of an untyped text (RFC 1428)."""
    if not header.first("content-transfer-encoding"):
        return header
    fields = list(header.fields)
    if header.first("mime-version") is None:
        fields.append(Field("mime-version", b"MIME-Version: 1.0\r\n"))
    if not entity.has_type:
        charset = b"utf-8" if _is_utf8(entity.body) else b"unknown-8bit"
        fields.append(Field("content-type", b"Content-Type: text/plain; charset=" + charset + b"\r\n"))
    return Header(fields)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
