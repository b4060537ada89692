"""One part of a message, decoded, as somebody downloads it."""

import msgspec

from inbound.reading.filenames import clean_filename
from inbound.reading.header import content_fields, read_fields
from inbound.reading.report import content_of
from inbound.reading.tree import read_tree
from relay.children.answers import Absent


class Part(msgspec.Struct, frozen=True):
    """The octets of a part as they were before they were encoded for the mail."""

    content: bytes
    content_type: str
    filename: str


class NoSuchPart(Absent):
    """The message has no leaf of that number."""


def extract_part(header: bytes, body: bytes, part: int) -> Part:
    """The leaf of that number, counted as `Attachment.part` counts; raises NoSuchPart."""
    leaves = list(read_tree(content_fields(read_fields(header)), body, {}).leaves())
    if not 0 <= part < len(leaves):
        raise NoSuchPart(part)
    leaf = leaves[part]
    return Part(content_of(leaf, body), leaf.content_type, clean_filename(leaf.filename))
