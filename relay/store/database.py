"""What a store can do, whichever engine holds it.

Rooms write one SQL text: `$1` placeholders, and the few macros of
`store.dialect`. A write is a coroutine function that is handed a
`Transaction` and awaits nothing else: on SQLite it runs inside the writer
thread, many of them sharing one commit; on PostgreSQL it runs on a
connection of its own. Either way it happens wholly or not at all, and
`transact` returns only when it is durable.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Value = str | bytes | int | float | None


class Row(Protocol):
    """One row of an answer, by column name or by place."""

    def __getitem__(self, key: Any, /) -> Any: ...


class Reader(Protocol):
    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        """Every row of the answer."""
        ...

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        """The first row, or None."""
        ...


class Transaction(Reader, Protocol):
    async def execute(self, sql: str, *args: Value) -> int:
        """Run one statement; returns the number of rows it touched."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row of arguments."""
        ...


Work = Callable[[Transaction], Awaitable[T]]


class Database(Reader, Protocol):
    async def transact(self, work: Work[T], *, intake: bool = False) -> T:
        """Run `work` in one transaction; when this returns, its writes are on disk.

        If `work` raises, nothing of it is kept and the exception is passed on.
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

    async def close(self) -> None:
        """Finish what was begun, then let go of the store."""
        ...
