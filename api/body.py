"""Take in a request's body: counted, within its time, and as it is (no Content-Encoding).

Bodies are held in memory until their request is answered. What is large
shares one room, so that many at once cost no more; what is small always finds it.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import Receive, Scope

from api.fields import fields_of
from api.operations import Octets
from api.problems import Problem

_CLOSE = {"Connection": "close"}
SMALL = 1 << 16


@dataclass(slots=True)
class BodyRoom:
    """Octets of all bodies together, of each those beyond SMALL."""

    octets: int = 256 << 20
    _taken: int = 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """One body's part of the room, for as long as it is needed."""
        share = Share(self)
        try:
            yield share
        finally:
            self.take(-share.octets)

    def take(self, octets: int) -> None:
        """Raise Problem (503) where that is more than is left."""
        if octets > 0 and self._taken + octets > self.octets:
            text = "Too many large bodies are under way; please try again."
            raise Problem(503, "not_accepting", text, headers={"Retry-After": "5", **_CLOSE})
        self._taken += octets


@dataclass(slots=True)
class Share:
    """What one body takes of the room."""

    room: BodyRoom
    octets: int = 0

    def grow_to(self, size: int) -> None:
        """The body has `size` octets now; raises Problem (503)."""
        more = max(0, size - SMALL) - self.octets
        self.room.take(more)
        self.octets += more


class ClientGone(Exception):
    """The client hung up; nobody is there to be answered."""


def has_large_body(scope: Scope) -> bool:
    """Whether more may come than is worth reading for nothing."""
    fields = fields_of(scope)
    return b"transfer-encoding" in fields or _announced(fields) > SMALL


def check_media_type(scope: Scope, octets: Octets | None = None) -> None:
    """Raise Problem (415) for a body that says it is something else than JSON, or than is taken as it is."""
    fields = fields_of(scope)
    if fields.get(b"content-encoding", b"identity").strip().lower() not in (b"", b"identity"):
        raise Problem(415, "unsupported_media_type", "A body is taken without Content-Encoding.")
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if octets is not None:
        if media_type and octets.media_types and media_type.decode("latin-1") not in octets.media_types:
            wanted = " or ".join(octets.media_types)
            raise Problem(415, "unsupported_media_type", f"A body is taken as {wanted}.")
        return
    if media_type and media_type != b"application/json" and not media_type.endswith(b"+json"):
        raise Problem(415, "unsupported_media_type", "A body is taken as application/json.")


async def read_body(scope: Scope, receive: Receive, limit: int, patience: timedelta, share: Share) -> bytes:
    """The whole body. Raises Problem: 413 beyond `limit` octets, 408 after `patience`, 503 without room."""
    if _announced(fields_of(scope)) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await _collect(receive, limit, share)
    except TimeoutError:
        text = f"The body did not arrive within {patience.total_seconds():g} s."
        raise Problem(408, "request_timeout", text, headers=_CLOSE) from None


async def _collect(receive: Receive, limit: int, share: Share) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        share.grow_to(len(body))
        if not message.get("more_body", False):
            return bytes(body)


def _announced(fields: Mapping[bytes, bytes]) -> int:
    length = fields.get(b"content-length", b"0")
    return int(length) if length.isdigit() and len(length) < 20 else 0


def _too_large(limit: int) -> Problem:
    return Problem(413, "payload_too_large", f"A body has at most {limit} octets.", headers=_CLOSE)
