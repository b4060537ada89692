"""What goes over the wire for a post: its octets, perhaps compressed, and the fields that prove them."""

import gzip
from dataclasses import dataclass, field

from relay.webhooks.deliveries import Post
from relay.webhooks.signature import STANDARD, signed_headers, styled_signature


@dataclass(frozen=True, slots=True)
class Packed:
    """A post as it is sent. What is signed is the JSON, before it is compressed."""

    body: bytes = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)


def pack(post: Post, timestamp: int) -> Packed:
    """The request for one attempt at `timestamp` (whole seconds)."""
    body, wishes = post.payload.encode(), post.wishes
    headers = signed_headers(post.secrets, post.event_id, timestamp, body)
    if wishes.signature_style != STANDARD and wishes.signature_header is not None:
        value = styled_signature(wishes.signature_style, post.secrets, post.attempt, timestamp, body)
        headers.append((wishes.signature_header, value))
    headers += wishes.headers.items()
    if wishes.gzip:
        # Without the time, so that a repeated post is the same to the octet.
        return Packed(gzip.compress(body, mtime=0), [*headers, ("Content-Encoding", "gzip")])
    return Packed(body, headers)
