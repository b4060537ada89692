"""What a work is handed on PostgreSQL: statements on the connection of its transaction."""

import contextvars
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, Generic, TypeVar

from relay.store.database import Engine, Row, Value, Work
from relay.store.dialect import HORIZON, POSTGRES, Statement, expand
from relay.store.faults import StoreFault, TransactionFailed, WorkSuspended
from relay.store.postgres.faults import Collided, from_postgres

T = TypeVar("T")
Put = tuple[str, Sequence[Value]]

_SAVEPOINT = "savepoint work"


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

    __slots__ = ("_connection", "_put", "failure", "is_asking", "puts_last")

    engine: Engine = "postgresql"

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._put: list[Put] = []
        self.failure: BaseException | None = None
        self.is_asking = False
        # What is put waits for the end of the transaction, not for the next statement.
        self.puts_last = False

    async def execute(self, sql: str, *args: Value) -> int:
        status: str = await self._ask(lambda: self._connection.execute(bound(sql, args), *args))
        return touched(status)

    async def put(self, sql: str, *rows: Sequence[Value]) -> None:
        self._put += ((bound(sql, row), row) for row in rows)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        listed = list(rows)
        if listed:
            await self._ask(
                lambda: self._connection.executemany([bound(sql, row) for row in listed][-1], listed)
            )

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._ask(lambda: self._connection.fetch(bound(sql, args), *args))
        return rows

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        row: Row | None = await self._ask(lambda: self._connection.fetchrow(bound(sql, args), *args))
        return row

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        return await self.fetch_one(sql, *args)

    async def attempt(self, part: Work[T]) -> T:
        if not self.puts_last:
            await self.write_down()  # what was put before is no part of it
        put = len(self._put)
        await self._run(lambda: self._connection.execute("savepoint part"))
        try:
            done = await part(self)
            if self.failure is not None:
                raise self.failure
        except Exception:
            if not isinstance(self.failure, Collided | StoreFault):  # of the whole transaction
                self.failure = None
                del self._put[put:]
                await self._run(lambda: self._connection.execute("rollback to part; release part"))
            raise
        await self._run(lambda: self._connection.execute("release part"))
        return done

    async def write_down(self) -> None:
        """Run what was put: each text once for all of its rows, in the order in which the texts came."""
        put, self._put = self._put, []
        by_text: dict[str, list[Sequence[Value]]] = {}
        for text, args in put:
            by_text.setdefault(text, []).append(args)
        for text, rows in by_text.items():
            await self._run(partial(_write_rows, self._connection, text, rows))

    async def set_savepoint(self) -> int:
        """Where `back_to_savepoint` leads; the savepoint before is let go."""
        await self._run(lambda: self._connection.execute(_SAVEPOINT))
        return len(self._put)

    async def back_to_savepoint(self, put: int) -> None:
        """Undo what was done since, failures included. `put` is what `set_savepoint` returned."""
        self.failure = None
        del self._put[put:]
        await self._run(lambda: self._connection.execute("rollback to work"))

    def end(self) -> None:
        """Whoever kept this beyond its work finds it closed."""
        self.failure = self.failure or TransactionFailed("its work has ended")

    async def _ask(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        if self._put and not self.puts_last:
            await self.write_down()
        return await self._run(ask)

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


async def _write_rows(connection: Any, text: str, rows: Sequence[Sequence[Value]]) -> None:
    if len(rows) == 1:
        await connection.execute(text, *rows[0])
    else:
        await connection.executemany(text, rows)


class Driven(Generic[T]):
    """Awaits a work, which may wait for its transaction alone.

    Whatever else it waited for would keep rows locked meanwhile, and a
    transaction within a transaction would wait for itself. `context` is whose
    work it is, where that is not who awaits it.
    """

    def __init__(
        self, work: Work[T], tx: PostgresTransaction, context: contextvars.Context | None = None
    ) -> None:
        self._work = work
        self._tx = tx
        self._step = _here if context is None else context.run

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._work(self._tx).__await__()
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                wanted = self._step(*((steps.send, answer) if error is None else (steps.throw, error)))
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


def _here(step: Callable[[Any], Any], argument: Any) -> Any:
    return step(argument)
