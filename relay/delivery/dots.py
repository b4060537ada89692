"""Turn a message's octets into what follows DATA: dots doubled, the end marked (RFC 5321 §4.5.2).

Chunks may break anywhere. Nothing that could end the message early, or be
read as a line end by one server and not by another, ever leaves here.
"""

from collections.abc import Iterable, Iterator

from relay.delivery.parcel import Wire
from relay.errors import PosthouseError


class ContentDamaged(PosthouseError):
    """A CR or an LF stands alone, or a file cannot be read: it was whole when we accepted it."""


def stuffed(wire: Wire) -> Iterator[bytes]:
    """The pieces to send after 354, the final dot included; raises ContentDamaged before a bad piece.

    A last line without CRLF gets one, since the final dot needs a line of its own.
    """
    tail = b"\r\n"  # the last octets so far; at the start we stand at the start of a line
    for piece in _pieces(wire):
        if not piece:
            continue
        _check_line_ends(tail[-1:], piece)
        lead = b"." if tail[-1:] == b"\n" and piece[:1] == b"." else b""
        tail = (tail + piece[-2:])[-2:]
        yield lead + piece.replace(b"\n.", b"\n..")
    if tail[-1:] == b"\r":
        raise ContentDamaged("a carriage return ends the message")
    yield b".\r\n" if tail == b"\r\n" else b"\r\n.\r\n"


def in_blocks(pieces: Iterable[bytes], size: int = 65536) -> Iterator[bytes]:
    """The same octets in fewer pieces: neighbours that fit into `size` octets together become one."""
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        if waiting and length + len(piece) > size:
            yield b"".join(waiting)
            waiting, length = [], 0
        waiting.append(piece)
        length += len(piece)
    yield b"".join(waiting)


def _pieces(wire: Wire) -> Iterable[bytes]:
    yield wire.header + b"\r\n"
    try:
        yield from wire.body.chunks()
    except OSError as error:
        raise ContentDamaged(f"the body cannot be read: {error}") from error


def _check_line_ends(before: bytes, piece: bytes) -> None:
    """Every CR is followed by LF and every LF follows CR, across the border with `before` too."""
    pairs = piece.count(b"\r\n")
    joined = before == b"\r"
    lone_feeds = piece.count(b"\n") - pairs
    lone_returns = piece.count(b"\r") - pairs
    starts_with_feed = piece.startswith(b"\n")
    ends_with_return = piece.endswith(b"\r")
    if joined != starts_with_feed or lone_feeds != joined or lone_returns != ends_with_return:
        raise ContentDamaged("a CR or LF stands alone")
