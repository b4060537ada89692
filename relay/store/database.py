"""What a store can do, whichever engine holds it.

Rooms write one SQL text: `$1` placeholders, and the few macros of
`store.dialect`. A write is a coroutine function that is handed a
`Transaction` and awaits nothing else: on SQLite it runs without a pause, many
of them sharing one commit; on PostgreSQL it runs on a connection of its own.
Either way it happens wholly or not at all, and `transact` returns only when it
is durable.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from relay.store.faults import StoreFault

T = TypeVar("T")
Engine = Literal["sqlite", "postgresql"]
Value = str | bytes | int | float | None


class Row(Protocol):
    """One row of an answer, by column name or by place."""

    def __getitem__(self, key: Any, /) -> Any: ...


class Reader(Protocol):
    @property
    def engine(self) -> Engine:
        """Which engine holds the store: for what one text cannot say, such as a search for words."""
        ...

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        """Every row of the answer."""
        ...

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """The first row, or None."""
        ...

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        """A row to which an index leads at once, or None: microseconds, for which no thread need be asked."""
        ...


class Transaction(Reader, Protocol):
    async def execute(self, sql: str, *args: Value) -> int:
        """Run one statement; returns the number of rows it touched."""
        ...

    async def put(self, sql: str, *rows: Sequence[Value]) -> None:
        """Run one statement for each row of arguments: now, or with others like it before the next question.

        A work that goes `together` with others must ask for nothing that it has put.
        """
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row of arguments."""
        ...

    async def attempt(self, part: "Work[T]") -> T:
        """Do a part of a work; if it raises, that part alone is undone, and the exception passed on.

        Not for parts of parts.
        """
        ...


Work = Callable[[Transaction], Awaitable[T]]


class Database(Reader, Protocol):
    async def transact(
        self,
        work: Work[T],
        *,
        intake: bool = False,
        lengthy: bool = False,
        unhurried: bool = False,
        side_by_side: bool = False,
        together: str | None = None,
    ) -> T:
        """Run `work` in one transaction; when this returns, its writes are on disk.

        If `work` raises, nothing of it is kept and the exception is passed on.
        `lengthy` marks work whose statements may take milliseconds: where
        works run on the event loop, it runs beside it. `unhurried` work may be
        kept back for a few milliseconds, to share a commit with others.
        No work sees another's half: where two met, PostgreSQL runs one of them
        again from its start. `side_by_side` is for work that is right without
        that, because each of its changes says in its own statement what must
        still be true of the row; it waits for rows instead.
        Works `together` under one name are those that would wait for the same
        row anyway: on PostgreSQL they share a transaction of that kind.
        `intake` marks work that takes on new mail: it is refused with
        `StoreUnavailable` while the store is not accepting; other work (an
        outcome, a lease) is still tried.
        """
        ...

    @property
    def accepting(self) -> bool:
        """Whether new mail may be taken on now."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the store is not accepting, for the operator; None when it is well."""
        ...

    def check_intake(self) -> None:
        """Raise StoreUnavailable, with the reply for the client, while new mail may not be taken on."""
        ...

    async def probe(self) -> bool:
        """Look at the store now and, after a fault, try to write; returns whether new mail may come."""
        ...

    def note_trouble(self, error: OSError) -> StoreFault:
        """A file beside the store could not be written: closes the intake; returns what to raise."""
        ...

    async def integrity(self) -> list[str]:
        """Everything that is wrong with what the engine keeps; an empty list is a whole store."""
        ...

    async def close(self) -> None:
        """Finish what was begun, then let go of the store."""
        ...
