"""What a work is handed on PostgreSQL: statements on the connection of its transaction."""

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from relay.store.database import Engine, Row, Value, Work
from relay.store.dialect import HORIZON, POSTGRES, Statement, expand
from relay.store.faults import TransactionFailed, WorkSuspended
from relay.store.postgres.faults import from_postgres

T = TypeVar("T")


@lru_cache(maxsize=2048)
def prepare(sql: str) -> Statement:
    """The statement as PostgreSQL reads it."""
    return expand(sql, POSTGRES)


def bound(sql: str, args: Sequence[Value]) -> str:
    """The statement's text; raises ValueError unless it has a place for each argument."""
    statement = prepare(sql)
    if len(args) != statement.places:
        raise ValueError(f"{len(args)} arguments for {statement.places} places: {statement.text}")
    if HORIZON in statement.text:
        raise RuntimeError(f"the log is followed outside of transactions: {statement.text}")
    return statement.text


def follows_log(sql: str) -> bool:
    """Whether it asks for what is complete of the log."""
    return HORIZON in prepare(sql).text


def with_horizon(sql: str, args: Sequence[Value], seq: int) -> tuple[str, Sequence[Value]]:
    """Such a statement's text and arguments, with `seq` for what is complete."""
    statement = prepare(sql)
    if len(args) != statement.places:
        raise ValueError(f"{len(args)} arguments for {statement.places} places: {statement.text}")
    return statement.text.replace(HORIZON, f"${statement.places + 1}"), (*args, seq)


def touched(status: str) -> int:
    """How many rows a statement touched, by what the server says at its end (`UPDATE 3`)."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


class PostgresTransaction:
    """A statement that fails fails the transaction: every later one raises `TransactionFailed`."""

    __slots__ = ("_connection", "failure", "is_asking")

    engine: Engine = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.failure: BaseException | None = None
        self.is_asking = False

    async def execute(self, sql: str, *args: Value) -> int:
        status: str = await self._run(lambda: self._connection.execute(bound(sql, args), *args))
        return touched(status)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        listed = list(rows)
        if listed:
            await self._run(
                lambda: self._connection.executemany([bound(sql, row) for row in listed][-1], listed)
            )

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._run(lambda: self._connection.fetch(bound(sql, args), *args))
        return rows

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        row: Row | None = await self._run(lambda: self._connection.fetchrow(bound(sql, args), *args))
        return row

    def end(self) -> None:
        """Whoever kept this beyond its work finds it closed."""
        self.failure = self.failure or TransactionFailed("its work has ended")

    async def _run(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self.failure is not None:
            raise TransactionFailed(f"nothing more can be done in this transaction: {self.failure}")
        self.is_asking = True
        try:
            return await ask()
        except BaseException as error:
            self.failure = from_postgres(error)
            if self.failure is error:
                raise
            raise self.failure from error
        finally:
            self.is_asking = False


class Driven(Generic[T]):
    """Awaits a work, which may wait for its transaction alone.

    Whatever else it waited for would keep rows locked meanwhile, and a
    transaction within a transaction would wait for itself.
    """

    def __init__(self, work: Work[T], tx: PostgresTransaction) -> None:
        self._work = work
        self._tx = tx

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._work(self._tx).__await__()
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                wanted = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                value: T = end.value
                return value
            if not self._tx.is_asking:
                steps.close()
                raise WorkSuspended(f"{self._work!r} awaited something other than its transaction")
            answer, error = None, None
            try:
                answer = yield wanted
            except BaseException as raised:
                error = raised
