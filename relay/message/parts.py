"""The parts of a message that we write: text, files, and the multiparts around them (RFC 2045, RFC 2046).

Every part is ASCII in lines of at most 998 octets, so no server on the way
has a reason to change it. File names are said twice: in ASCII for old
readers, and in full as RFC 2231 has it.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from relay.errors import InvalidInput
from relay.message.downgrade import CannotConvert, to_seven_bit
from relay.message.headers import MAX_OCTETS, encode_words, fold
from relay.message.transfer import to_base64, to_quoted_printable

_FIT = b"\t\r\n" + bytes(range(0x20, 0x7F))
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
_NOT_IN_A_FALLBACK = re.compile(r"[^ !#-\[\]-~]|[%*]")
_SAFE_IN_2231 = "!#$&+-.^_`|~"


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME entity: its own fields, folded, and its body as it is sent."""

    header: bytes
    body: bytes

    def __bytes__(self) -> bytes:
        return self.header + b"\r\n" + self.body


def text_part(text: str, subtype: str = "plain") -> Part:
    """`text` with CRLF line ends, its last line ended too; plain ASCII stays readable as it is."""
    octets = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()
    if octets and not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    charset = "us-ascii" if octets.isascii() else "utf-8"
    if _fits_seven_bits(octets):
        return _part([("Content-Type", f"text/{subtype}; charset={charset}")], "7bit", octets)
    beyond = sum(map(len, _BEYOND_ASCII.findall(octets)))
    fields = [("Content-Type", f"text/{subtype}; charset={charset}")]
    if beyond * 4 > len(octets):
        return _part(fields, "base64", to_base64(octets))
    return _part(fields, "quoted-printable", to_quoted_printable(octets))


def file_part(
    content: bytes, content_type: str, filename: str, disposition: str, content_id: str | None
) -> Part:
    """A file in base64. A message within the message must not be encoded, and is sent in seven bits."""
    fields = [
        ("Content-Type", content_type + _name(filename)),
        ("Content-Disposition", disposition + _filename(filename)),
    ]
    if content_id is not None:
        fields.append(("Content-ID", f"<{content_id}>"))
    if not content_type.lower().startswith("message/"):
        return _part(fields, "base64", to_base64(content))
    message = _seven_bit_message(content) if content_type.lower().startswith("message/rfc822") else None
    if message is not None:
        return _part(fields, "7bit", message)
    fields[0] = ("Content-Type", "application/octet-stream" + _name(filename))
    return _part(fields, "base64", to_base64(content))


def multipart(subtype: str, parts: Sequence[Part], *parameters: str) -> Part:
    """These parts as one; the same parts always get the same boundary."""
    octets = [bytes(part) for part in parts]
    boundary = choose_boundary(b"", octets)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in octets) + b"--%s--\r\n" % boundary
    kind = "; ".join([f"multipart/{subtype}", *parameters, f'boundary="{boundary.decode()}"'])
    return Part(fold("Content-Type", kind), body)


def choose_boundary(seed: bytes, parts: Iterable[bytes]) -> bytes:
    """A boundary that stands in none of the parts, the same for the same seed and parts."""
    parts = list(parts)
    digest = hashlib.sha256(seed)
    for part in parts:
        digest.update(part)
    while True:
        # "=_" cannot stand in quoted-printable or base64 (RFC 2045 §6.7).
        boundary = b"=_" + digest.hexdigest()[:32].encode()
        if not any(boundary in part for part in parts):
            return boundary
        digest.update(boundary)


def _part(fields: list[tuple[str, str]], encoding: str, body: bytes) -> Part:
    fields = [*fields, ("Content-Transfer-Encoding", encoding)]
    return Part(b"".join([fold(name, value) for name, value in fields]), body)


def _name(filename: str) -> str:
    """The name again where old programs look for it, beyond ASCII as an encoded-word within quotes."""
    if not filename:
        return ""
    return f'; name="{_quoted(filename) if filename.isascii() else encode_words(filename)}"'


def _filename(filename: str) -> str:
    if not filename:
        return ""
    fallback = _NOT_IN_A_FALLBACK.sub("_", filename)
    if fallback == filename:
        return f'; filename="{filename}"'
    # The full name first: readers that know only one of a kind take the first.
    return f"; filename*=utf-8''{quote(filename, safe=_SAFE_IN_2231)}; filename=\"{fallback}\""


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _seven_bit_message(content: bytes) -> bytes | None:
    """The message itself where seven bits hold it, else None (RFC 2046 §5.2.1)."""
    header, gap, body = content.partition(b"\r\n\r\n")
    try:
        header, body = to_seven_bit(header + b"\r\n", body) if gap else (content, b"")
    except (CannotConvert, InvalidInput):
        return None
    message = header + (b"\r\n" + body if gap else b"")
    return message if _fits_seven_bits(message) else None


def _fits_seven_bits(octets: bytes) -> bool:
    """RFC 2045 §2.7; other controls than tabs could be lost on the way, so they do not fit either."""
    lines = octets.split(b"\r\n")
    text = b"".join(lines)
    if b"\r" in text or b"\n" in text or text.translate(None, _FIT):
        return False
    return max(map(len, lines)) <= MAX_OCTETS
