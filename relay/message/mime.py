"""As much of MIME (RFC 2045, RFC 2046) as a relay needs: what an entity is, and where its parts are.

Nothing is rewritten here: the pieces that `split_multipart` gives, joined,
are the octets it was given.
"""

import re
from typing import NamedTuple

from relay.errors import InvalidInput
from relay.message.headers import Header, MalformedHeader

_TYPE = re.compile(r"\s*([!#$%&'*+.^_`{|}~0-9A-Za-z-]+/[!#$%&'*+.^_`{|}~0-9A-Za-z-]+)\s*")
_PARAMETER = re.compile(r";\s*(?:([^\s=;\"]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s;\"]+)))?\s*")
_QUOTED_PAIR = re.compile(r"\\(.)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")


class MalformedEntity(InvalidInput):
    """An entity that readers would take apart in different ways."""


class Pieces(NamedTuple):
    """A multipart body in its raw pieces: before, then delimiter and part in turn, then what ends it."""

    preamble: bytes
    parts: list[tuple[bytes, bytes]]  # the delimiter line with its line ends, and the part between
    epilogue: bytes  # the close delimiter, if there is one, and all behind it


class Entity:
    """Header and body of a message or of one of its parts; an unclear header raises MalformedEntity."""

    def __init__(self, header: bytes, body: bytes, *, default_type: str = "text/plain") -> None:
        try:
            self.header = Header.parse(header)
        except MalformedHeader as error:
            raise MalformedEntity(str(error)) from error
        if self.header.unparsed:
            raise MalformedEntity("a header has lines that are no field")
        self.body = body
        self.has_type = bool(self.header.all("content-type"))
        self.content_type, self.boundary = self._type(default_type)
        self.encoding = (self._single("content-transfer-encoding") or "7bit").lower()

    @classmethod
    def read(cls, octets: bytes, *, default_type: str = "text/plain") -> "Entity":
        """The entity that `octets` are: header, empty line, body."""
        if octets.startswith(b"\r\n"):
            return cls(b"", octets[2:], default_type=default_type)
        header, _, body = octets.partition(b"\r\n\r\n")
        return cls(header + b"\r\n" if header else b"", body, default_type=default_type)

    def _single(self, name: str) -> str | None:
        values = self.header.all(name)
        if len(values) > 1:
            raise MalformedEntity(f"{name} stands twice")
        return values[0] if values else None

    def _type(self, default_type: str) -> tuple[str, str | None]:
        """The type in lower case, and for a multipart its boundary."""
        value = self._single("content-type")
        if value is None:
            return default_type, None
        found = _TYPE.match(value)
        if found is None:
            return (
                "application/octet-stream",
                None,
            )  # RFC 2045 §5.2 leaves it to the reader: no text, no parts
        content_type = found[1].lower()
        return content_type, _boundary(value, found.end()) if content_type.startswith("multipart/") else None


def split_multipart(body: bytes, boundary: str) -> Pieces:
    """Where the delimiter lines are (RFC 2046 §5.1.1); a missing close delimiter ends with the body."""
    delimiter = re.compile(
        rb"(?:\A|\r\n)--" + re.escape(boundary.encode("ascii")) + rb"(--)?[ \t]*(?=\r\n|\Z)"
    )
    parts: list[tuple[bytes, bytes]] = []
    line, end = None, len(body)
    preamble, start = body, len(body)
    for found in delimiter.finditer(body):
        if line is None:
            preamble = body[: found.start()]
        else:
            parts.append(_part(body, line, found.start()))
        if found[1]:
            return Pieces(preamble, parts, body[found.start() :])
        line, start = found, end
    if line is not None:
        parts.append(_part(body, line, start))
    return Pieces(preamble, parts, b"")


def _part(body: bytes, line: re.Match[bytes], end: int) -> tuple[bytes, bytes]:
    start = min(line.end() + 2, end)  # two delimiter lines in a row share a CRLF
    return body[line.start() : start], body[start:end]


def _boundary(value: str, at: int) -> str:
    boundaries: list[str] = []
    while at < len(value):
        found = _PARAMETER.match(value, at)
        if found is None or found.end() == at:
            raise MalformedEntity("a multipart has parameters that cannot be read")
        if (found[1] or "").lower() == "boundary":
            boundaries.append(found[3] or _QUOTED_PAIR.sub(r"\1", found[2] or ""))
        at = found.end()
    if len(boundaries) != 1 or not _BOUNDARY.match(boundaries[0]):
        raise MalformedEntity("a multipart has no boundary, or not a single valid one")
    return boundaries[0]
