"""What a reading child can be asked.

A message's body is at hand or in a file that the child opens itself, read-only.
"""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from inbound.reading.extract import Part, extract_part
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed, Separated

if TYPE_CHECKING:
    from inbound.authenticate.signatures import Signatures


class Parse(msgspec.Struct, frozen=True, tag=True):
    """Take a message apart: a `Parsed`."""

    header: bytes
    body: bytes | None
    body_file: str | None


class ExtractPart(msgspec.Struct, frozen=True, tag=True):
    """Decode one leaf, counted as `Attachment.part` counts: a `Part`."""

    header: bytes
    body: bytes | None
    body_file: str | None
    part: int


class Separate(msgspec.Struct, frozen=True, tag=True):
    """Tell new text from quoted text: a `Separated`. `forwarded`: its subject names it a forward."""

    text: str
    html: str | None
    parent_text: str | None
    parent_html: str | None
    forwarded: bool = False


class VerifySignatures(msgspec.Struct, frozen=True, tag=True):
    """Check DKIM and ARC with the keys given, at the time given in microseconds: a `Signatures`."""

    header: bytes
    body: bytes | None
    body_file: str | None
    keys: dict[str, bytes | None]
    at: int


Task: TypeAlias = Parse | ExtractPart | Separate | VerifySignatures
Result: TypeAlias = "Parsed | Part | Separated | Signatures"


def run(task: Task) -> "Result":
    """Do it, in a child. Raises NoSuchPart, OSError for a file that cannot be read, and MemoryError."""
    if isinstance(task, Parse):
        return parse(task.header, _body(task))
    if isinstance(task, ExtractPart):
        return extract_part(task.header, _body(task), task.part)
    # What the others stand on takes its time to import, and not every child is asked for it.
    if isinstance(task, Separate):
        from inbound.reading.quoting import separate

        return separate(task.text, task.html, task.parent_text, task.parent_html, forwarded=task.forwarded)
    from inbound.authenticate.signatures import SignatureCheck, check_signatures

    return check_signatures(
        SignatureCheck(task.header, task.body, task.body_file, keys=task.keys, at=task.at)
    )


def _body(task: Parse | ExtractPart) -> bytes:
    if task.body_file is not None:
        return Path(task.body_file).read_bytes()
    return task.body or b""
