"""Take in one message as it streams by: check it, hash it, and put a large one on disk.

This is the first stop behind every door. Whatever passes has CRLF line ends
and no NUL, so that nothing bare is ever stored or sent (RFC 5321 §2.3.8), and
costs memory for a few chunks only, whatever its size and its lines.
"""

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from relay.errors import Refusal
from relay.message.canonical import RelaxedBodyHash
from relay.replies import SmtpReply

_FIELD = re.compile(rb"(?:[!-9;-~]{1,998}[ \t]*:|>?From )")
# Not possessive: before Python 3.11.5 such a group goes wrong where it fails halfway.
_HEADER_LINES = re.compile(rb"(?:(?:[!-9;-~]{1,998}+[ \t]*+:|>?From |[ \t])[^\n]*+\n)*")
_LONGEST_NAME = 1000  # octets, after which a colon no longer makes a field
_END_OF_HEADER = b"\r\n\r\n"
_FILE_MODE = 0o600

BARE_CR = SmtpReply(554, "5.6.0", "Message contains a carriage return without a line feed")
BARE_LF = SmtpReply(554, "5.6.0", "Message contains a line feed without a carriage return")
NUL = SmtpReply(554, "5.6.0", "Message contains a NUL octet")
TOO_LARGE = SmtpReply(552, "5.3.4", "Message is larger than this server takes")
HEADER_TOO_LARGE = SmtpReply(552, "5.3.4", "Message header is larger than this server takes")


class ContentRefused(Refusal):
    """These octets are no message that we can take, now or later; `reply` says why."""


@dataclass(frozen=True, slots=True)
class Body:
    """The octets behind the header: in memory, or in a finished file that is on disk.

    Exactly one of `data` and `file` is set; `size` counts octets.
    """

    data: bytes | None
    file: Path | None
    size: int

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """The octets in order, at most `size` at a time; a file is read as it is asked for."""
        if self.data is not None:
            yield from (self.data[at : at + size] for at in range(0, len(self.data), size))
        elif self.file is not None:
            with self.file.open("rb") as file:
                while chunk := file.read(size):
                    yield chunk

    def read(self) -> bytes:
        """All octets at once."""
        return self.data if self.data is not None else b"".join(self.chunks(1 << 20))


@dataclass(frozen=True, slots=True)
class Content:
    """One message: `header`, an empty line, `body`. Every line ends in CRLF.

    `header` ends with the CRLF of its last field, or is empty. `size` counts
    header, empty line and body. `body_hash` is the SHA-256 of the relaxed
    canonical body (RFC 6376 §3.4.4), `digest` that of the body as it is.
    `line_ends_fixed` counts the bare LFs that were read as CRLF.
    """

    header: bytes
    body: Body
    size: int
    body_hash: bytes
    digest: bytes
    is_8bit: bool
    has_8bit_header: bool
    line_ends_fixed: int


class ContentWriter:
    """Feed it a message in chunks of any size, then `finish` or `discard`.

    The header ends at the first empty line. Without any empty line it ends
    before the first line that is neither a field nor a continuation; when
    there is no such line either, all is header and the body is empty (RFC
    5322 §2.1). A message whose first line is no field has no header: all of
    it is body. A mbox "From " line counts as a field. A last line without a
    line end is given one.

    A body beyond `memory_limit` octets is written to a new file in `spool`.
    After an exception from `feed` or `finish` only `discard` may be called.
    """

    def __init__(
        self,
        spool: Path,
        *,
        size_limit: int,
        memory_limit: int = 131072,
        header_limit: int = 262144,
        fix_bare_lf: bool = True,
    ) -> None:
        self._size_limit = size_limit
        self._header_limit = header_limit
        self._fix_bare_lf = fix_bare_lf
        self._body = _BodyWriter(spool, memory_limit)
        self._head = bytearray()
        self._starts_with_field = False
        self._header: bytes | None = None
        self._held_cr = False  # a CR at the end of a chunk: what follows decides
        self._last = b"\n"
        self._size = 0
        self._line_ends_fixed = 0

    @property
    def is_on_disk(self) -> bool:
        """Whether `finish` will wait for a disk."""
        return self._body.is_on_disk

    @property
    def in_memory(self) -> int:
        """Octets of the message that are held in memory now."""
        return len(self._head) + len(self._header or b"") + self._body.in_memory

    def feed(self, chunk: bytes) -> None:
        """Take the next octets; raises ContentRefused, or OSError from the spool."""
        clean = self._checked(chunk)
        if not clean:
            return
        self._last = clean[-1:]
        self._size += len(clean)
        if self._size > self._size_limit:
            raise ContentRefused(f"more than {self._size_limit} octets", TOO_LARGE)
        if self._header is not None:
            self._body.write(clean)
        else:
            self._head += clean
            self._look_for_body(len(clean))

    def finish(self) -> Content:
        """The whole message; a body in a file is on disk. Raises ContentRefused or OSError."""
        if self._held_cr:
            raise ContentRefused("ends in a bare CR", BARE_CR)
        if self._last != b"\n":
            self.feed(b"\r\n")
        if self._header is None:
            end = _first_odd_line(self._head)
            self._split(end, end)
        header, body = self._header or b"", self._body.finish()
        return Content(
            header=header,
            body=body,
            size=len(header) + 2 + body.size,
            body_hash=self._body.relaxed.digest(),
            digest=self._body.digest.digest(),
            is_8bit=self._body.is_8bit or not header.isascii(),
            has_8bit_header=not header.isascii(),
            line_ends_fixed=self._line_ends_fixed,
        )

    def discard(self) -> None:
        """Forget the message: no memory is held, and no file unless somebody took it elsewhere."""
        self._head.clear()
        self._body.discard()

    def _checked(self, chunk: bytes) -> bytes:
        """The chunk with CRLF line ends only. Counts and replacements of whole chunks: no line costs."""
        if self._held_cr:
            chunk = b"\r" + chunk
        self._held_cr = chunk.endswith(b"\r")
        if self._held_cr:
            chunk = chunk[:-1]
        if b"\0" in chunk:
            raise ContentRefused("NUL octet", NUL)
        # To look for one octet is quick, to count it is not.
        rest = chunk.replace(b"\r\n", b"")
        if b"\r" in rest:
            raise ContentRefused("bare CR", BARE_CR)
        return self._with_crlf(chunk, rest.count(b"\n")) if b"\n" in rest else chunk

    def _with_crlf(self, chunk: bytes, bare: int) -> bytes:
        if not self._fix_bare_lf:
            raise ContentRefused("bare LF", BARE_LF)
        self._line_ends_fixed += bare
        return chunk.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def _look_for_body(self, new: int) -> None:
        head = self._head
        if not self._starts_with_field:
            if b"\n" not in head[-new:] and len(head) <= _LONGEST_NAME:
                return
            if not _FIELD.match(head):
                self._split(0, 2 if head.startswith(b"\r\n") else 0)
                return
            self._starts_with_field = True
        end = head.find(_END_OF_HEADER, max(0, len(head) - new - 3))
        if end >= 0:
            self._split(end + 2, end + 4)
        elif len(head) > self._header_limit:
            self._split_without_empty_line()

    def _split_without_empty_line(self) -> None:
        end = _first_odd_line(self._head)
        if b"\n" not in self._head[end:]:
            raise ContentRefused("header without end", HEADER_TOO_LARGE)
        self._split(end, end)

    def _split(self, header_end: int, body_start: int) -> None:
        if header_end > self._header_limit:
            raise ContentRefused(f"header of {header_end} octets", HEADER_TOO_LARGE)
        self._header = bytes(self._head[:header_end])
        self._body.write(bytes(self._head[body_start:]))
        self._head.clear()


class _BodyWriter:
    """Hashes body octets and keeps them: in memory up to a limit, then in a file."""

    def __init__(self, spool: Path, memory_limit: int) -> None:
        self.relaxed = RelaxedBodyHash()
        self.digest = hashlib.sha256()
        self.is_8bit = False
        self._size = 0
        self._spool = spool
        self._memory_limit = memory_limit
        self._memory = bytearray()
        self._path: Path | None = None
        self._file: FileIO | None = None

    @property
    def is_on_disk(self) -> bool:
        return self._path is not None

    @property
    def in_memory(self) -> int:
        return len(self._memory)

    def write(self, piece: bytes) -> None:
        if not piece:
            return
        self.relaxed.update(piece)
        self.digest.update(piece)
        self.is_8bit = self.is_8bit or not piece.isascii()
        self._size += len(piece)
        if self._file is not None:
            _write_all(self._file, piece)
            return
        self._memory += piece
        if self._size > self._memory_limit:
            self._move_to_file()

    def finish(self) -> Body:
        if self._file is None:
            return Body(bytes(self._memory), None, self._size)
        os.fsync(self._file.fileno())
        self._file.close()
        return Body(None, self._path, self._size)

    def discard(self) -> None:
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            with contextlib.suppress(OSError):  # the sweep of the spool takes what is left
                self._path.unlink(missing_ok=True)

    def _move_to_file(self) -> None:
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._spool / f"{secrets.token_hex(12)}.body"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        self._path, self._file = path, FileIO(descriptor, "wb")
        _write_all(self._file, self._memory)
        self._memory = bytearray()


def _first_odd_line(head: bytes | bytearray) -> int:
    """Where the first line starts that is neither a field nor a continuation."""
    found = _HEADER_LINES.match(head)
    return found.end() if found else 0


def _write_all(file: FileIO, octets: bytes | bytearray) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[file.write(rest) or 0 :]
