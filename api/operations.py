"""What an operation of the API is: one method at one path, with everything that is known of it.

The table of operations makes the routes, checks what comes in, and writes the
OpenAPI document; so nothing is possible that is not documented.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from api.shapes import Body, Query

Method: TypeAlias = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that says more than its shape: another status, header fields, or octets as they are."""

    body: Struct | bytes | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes piece by piece; `pieces` is closed when the client has gone."""

    pieces: AsyncIterator[bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Octets:
    """A body that is taken as it is, not as JSON: of one of these media types, or of any."""

    media_types: tuple[str, ...] = ()
    limit: int | None = None  # octets; no more than any body may have


Answer: TypeAlias = Struct | Reply | Stream | None
Handler: TypeAlias = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`handler(call)`, then the decoded body if `body` is given, then the query if `query` is.

    `scope` is what the key must allow; None for what needs no key. `answer` is
    the shape that a good answer has, None for 204 or for another `media_type`.
    `errors` are problem codes beyond those that every operation can have.
    `example` is a request's document, `answers` an answer's; both are checked
    against the shapes. `name` is the operationId, the handler's name by default.
    `asks_itself`: its work raises Replayed before it changes anything, so what
    was answered before need not be looked for first. `parts` are shapes that
    its documents name without having them. `also` are other statuses of good
    answers, of the same shape. `octets`: the body comes as bytes. `any_query`:
    whatever stands behind `?` is not looked at. `body_list` is the body that
    an array is, which `body` has as a field.
    """

    method: Method
    path: str
    scope: str | None
    summary: str
    handler: Handler
    body: type[Body] | None = None
    body_list: type[Body] | None = None
    query: type[Query] | None = None
    answer: Any = None
    status: int = 200
    errors: Sequence[str] = ()
    example: Any = None
    answers: Any = None
    description: str = ""
    media_type: str = JSON
    name: str = ""
    asks_itself: bool = False
    parts: Sequence[Any] = ()
    also: Sequence[int] = ()
    octets: Octets | None = None
    any_query: bool = False

    @property
    def operation_id(self) -> str:
        return self.name or self.handler.__name__

    @property
    def tag(self) -> str:
        """What it belongs to in the document: the resource's name."""
        parts = [part for part in self.path.split("/") if part]
        if parts[0] != "v1":
            return "house"
        if parts[1] == "inboxes" and len(parts) > 3:
            return parts[3]
        return parts[1]
