"""Who is at work: said once at each door, and known wherever a change is made on its behalf.

It is a context variable, which goes along into the transaction; whoever sets
none is the house itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

ActorKind: TypeAlias = Literal["key", "operator", "approver", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the key's, the operation that an operator called, or the address of an approver who wrote.

    `request_id` is the request's over HTTP.
    """

    kind: ActorKind
    id: str | None = None
    request_id: str | None = None


SYSTEM: Final = Actor("system")
_present: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


def present() -> Actor:
    """Who is at work here."""
    return _present.get()


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """What happens inside is done on behalf of `actor`."""
    token = _present.set(actor)
    try:
        yield
    finally:
        _present.reset(token)
