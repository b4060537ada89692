"""The operations by name: `mailbox.add` and its arguments, checked before anything is done.

An operation is an async function of a `Context` and a Struct; it returns what
JSON can say. A stream is an async generator that yields such things until it
is cancelled.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

import msgspec

from relay.control.context import Context
from relay.errors import InvalidInput, NotFound
from relay.events.actor import Actor, acting

A = TypeVar("A", bound=msgspec.Struct)
Answer: TypeAlias = Any
Run: TypeAlias = Callable[[Context, Any], Awaitable[Answer]]
Stream: TypeAlias = Callable[[Context, Any], AsyncIterator[Answer]]

_OPERATIONS = "relay.control.operations"
_MODULES = (
    *(f"{_OPERATIONS}.{name}" for name in ("domains", "mailboxes", "keys", "queue", "messages")),
    *(f"{_OPERATIONS}.{name}" for name in ("events", "stats", "suppressions", "store", "cluster")),
    *(f"{_OPERATIONS}.{name}" for name in ("approvals", "figures", "tenants", "audit")),
    "relay.control.dns_check",
)


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operation is told; subclasses name the fields."""


class Nothing(Arguments, frozen=True):
    """For operations that need not be told anything."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry; exactly one of `run` and `stream` is set."""

    name: str
    arguments: type[msgspec.Struct]
    run: Run | None = None
    stream: Stream | None = None

    def read(self, raw: object) -> msgspec.Struct:
        """The arguments from what JSON gave; raises InvalidInput."""
        try:
            return msgspec.convert(raw, self.arguments)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{self.name}: {error}") from error


_known: dict[str, Operation] = {}


def operation(
    name: str, arguments: type[A]
) -> Callable[[Callable[[Context, A], Awaitable[Answer]]], Callable[[Context, A], Awaitable[Answer]]]:
    """Register an operation under `name`, done on behalf of the operator; the function stays as it is."""

    def register(
        run: Callable[[Context, A], Awaitable[Answer]],
    ) -> Callable[[Context, A], Awaitable[Answer]]:
        async def by_operator(context: Context, told: A) -> Answer:
            with acting(Actor("operator", name)):
                return await run(context, told)

        _known[name] = Operation(name, arguments, run=by_operator)
        return run

    return register


def stream(
    name: str, arguments: type[A]
) -> Callable[[Callable[[Context, A], AsyncIterator[Answer]]], Callable[[Context, A], AsyncIterator[Answer]]]:
    """Register an operation that goes on until nobody listens any more."""

    def register(
        run: Callable[[Context, A], AsyncIterator[Answer]],
    ) -> Callable[[Context, A], AsyncIterator[Answer]]:
        _known[name] = Operation(name, arguments, stream=run)
        return run

    return register


def operations() -> Mapping[str, Operation]:
    """All of them; the modules are imported when this is first asked."""
    for module in _MODULES:
        import_module(module)
    return _known


def find(name: str) -> Operation:
    """The operation called `name`; raises NotFound."""
    found = operations().get(name)
    if found is None:
        raise NotFound(f"no operation {name}; the daemon may be of another version: restart it")
    return found
