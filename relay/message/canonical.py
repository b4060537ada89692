"""The relaxed canonical form in which DKIM hashes and signs a message (RFC 6376 §3.4.2, §3.4.4).

White space counts once and not at all at line ends, and empty lines at the
end of the body do not count. The body is hashed while it arrives: whatever
the chunks, the digest is that of the whole.
"""

import hashlib
import re

_TABS_TO_SPACES = bytes.maketrans(b"\t", b" ")
_WHITE_SPACE = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r\n(?=[ \t]|\Z)")
_MANY_LINE_ENDS = b"\r\n" * 8192


class RelaxedBodyHash:
    """SHA-256 of the relaxed canonical form of the body that was given to `update`.

    Lines end in CRLF. A last line without one is taken as if it had it, so
    the form is either empty or ends in exactly one CRLF.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._unfinished = b""  # an end that the next chunk may change: of " " and "\r", at most one each
        self._line_ends = 0  # seen after the last text and not yet hashed: perhaps the end of the body
        self._has_text = False

    def update(self, chunk: bytes) -> None:
        """Take the next octets of the body. Costs memory in proportion to the chunk alone."""
        text, self._unfinished = _split_unfinished(_relax(self._unfinished + chunk))
        size = _size_without_line_ends(text)
        if size:
            self._hash_line_ends()
            self._hash.update(memoryview(text)[:size])
            self._has_text = True
        self._line_ends += (len(text) - size) // 2

    def digest(self) -> bytes:
        """The 32 octets for all chunks so far; more may follow."""
        ended = self._hash.copy()
        if b"\r" in self._unfinished:
            ended.update(b"\r\n" * self._line_ends + self._unfinished + b"\r\n")
        elif self._has_text:
            ended.update(b"\r\n")
        return ended.digest()

    def _hash_line_ends(self) -> None:
        whole, rest = divmod(self._line_ends * 2, len(_MANY_LINE_ENDS))
        for _ in range(whole):
            self._hash.update(_MANY_LINE_ENDS)
        self._hash.update(_MANY_LINE_ENDS[:rest])
        self._line_ends = 0


def relaxed_header(raw_field: bytes) -> bytes:
    """One header field in relaxed canonical form, CRLF at its end; `raw_field` may lack its own."""
    name, _, value = raw_field.partition(b":")
    value = _WHITE_SPACE.sub(b" ", _FOLD.sub(b"", value)).strip(b" ")
    return name.rstrip(b" \t").lower() + b":" + value + b"\r\n"


def _relax(octets: bytes) -> bytes:
    octets = octets.translate(_TABS_TO_SPACES)
    while b"  " in octets:  # halves every run, so few rounds even for hostile ones
        octets = octets.replace(b"  ", b" ")
    return octets.replace(b" \r\n", b"\r\n")


def _split_unfinished(octets: bytes) -> tuple[bytes, bytes]:
    end = len(octets)
    if octets.endswith(b"\r"):
        end -= 1
    if octets.endswith(b" ", 0, end):
        end -= 1
    return octets[:end], octets[end:]


def _size_without_line_ends(octets: bytes) -> int:
    """How many octets stand before the run of CRLFs at the end."""
    start = len(octets.rstrip(b"\r\n"))
    ends = len(octets) - start
    if octets[start:] == b"\r\n" * (ends // 2):
        return start
    size = len(octets)  # a stray CR or LF stands among them
    while octets.endswith(b"\r\n", 0, size):
        size -= 2
    return size
