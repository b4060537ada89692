"""The PostgreSQL side of a move: an empty database that is closed to everybody until all of it is there.

Whenever this dies, the mark stays: no node opens the store, and the next run
empties it and begins anew.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from relay.clock import Clock, to_us
from relay.errors import AlreadyExists
from relay.store.bodies import chunks_of
from relay.store.database import Value
from relay.store.marks import source_of, unfinished
from relay.store.postgres.faults import from_postgres
from relay.store.postgres.migrating import LOCK, migrate, steps_of
from relay.store.postgres.pool import Manners, connect
from relay.store.postgres.transaction import PostgresTransaction

StoredRow = tuple[Value, ...]

# Rows of the default tenant and of the steps are there in a store that nobody has used.
_OF_ITS_OWN: Final = frozenset({"schema_steps", "tenants"})
_ROWS_AT_ONCE: Final = 100
_TABLES: Final = "select tablename from pg_tables where schemaname = current_schema() order by 1"


class _File:
    """A finished body file, as `chunks_of` takes it."""

    data = None

    def __init__(self, file: Path) -> None:
        self.file = file
        self.size = file.stat().st_size


class Filling:
    """One session at the server, which alone fills the database. Made by `open_filling`."""

    def __init__(self, connection: Any, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def unfinished_of(self) -> str | None:
        """Which store's move into this database was left unfinished."""
        return source_of(await steps_of(self._connection))

    async def begin(self, source: str) -> None:
        """Make the tables, empty what an earlier try left, and close the store to others.

        Raises AlreadyExists for a database in which there is anything else.
        """
        began = await self.unfinished_of()
        if began not in (None, source):
            raise AlreadyExists("a move of another store into this database is unfinished: name another one")
        if began is None and not await steps_of(self._connection) and (found := await self._tables()):
            raise AlreadyExists(f"the database has tables of somebody else: {', '.join(found[:5])}")
        await migrate(self._connection, self._clock, filling=True)
        tables = [name for name in await self._tables() if name != "schema_steps"]
        async with self._connection.transaction(isolation="serializable"):
            if began is None:
                await self._refuse_used(tables)
                await self._connection.execute(
                    "insert into schema_steps (name, applied_at) values ($1, $2)",
                    unfinished(source),
                    to_us(self._clock.now()),
                )
            await self._connection.execute(f"truncate {', '.join(tables)}")

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[StoredRow]) -> None:
        """All rows of a table, or none."""
        await self._connection.copy_records_to_table(table, records=rows, columns=list(columns))

    async def add_body(self, name: str, file: Path) -> None:
        """A body file in parts, as nodes keep it. Raises FileNotFoundError."""
        now = to_us(self._clock.now())
        await self.copy(
            "body_chunks",
            ("name", "place", "octets", "created_at"),
            ((name, place, octets, now) for place, octets in enumerate(chunks_of(_File(file)))),
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """For rooms that make rows of their own."""
        async with self._connection.transaction():
            yield PostgresTransaction(self._connection)

    async def rows(self, statement: str, *args: Value) -> AsyncIterator[StoredRow]:
        """What a statement reads, a part at a time."""
        async with self._connection.transaction(readonly=True):
            async for row in self._connection.cursor(statement, *args, prefetch=_ROWS_AT_ONCE):
                yield tuple(row)

    async def ask(self, statement: str, *args: Any) -> Any:
        """The first value of an answer."""
        return await self._connection.fetchval(statement, *args)

    async def number_on_from(self, last_event: int) -> None:
        """Give the next event a larger number than any before it had; learn what the tables hold."""
        if last_event:
            await self._connection.execute("select setval('events_in_order', $1)", last_event)
        await self._connection.execute("analyze")

    async def finish(self, source: str) -> None:
        """Open the store to nodes. When this returns it is one like any other."""
        await self._connection.execute("delete from schema_steps where name = $1", unfinished(source))

    async def _tables(self) -> list[str]:
        return [row[0] for row in await self._connection.fetch(_TABLES)]

    async def _refuse_used(self, tables: Sequence[str]) -> None:
        for name in tables:
            spare = "where id <> 'ten_default'" if name == "tenants" else ""
            if await self._connection.fetchval(f"select exists (select 1 from {name} {spare})"):  # noqa: S608
                raise AlreadyExists(f"the database is not empty: {name} has rows. Make a new one")


@asynccontextmanager
async def open_filling(url: str, clock: Clock) -> AsyncIterator[Filling]:
    """A session for the length of the block; raises StoreFault, and AlreadyExists while another one fills."""
    connection = await connect(url, "posthouse store move", Manners())
    try:
        await connection.execute("set statement_timeout = 0")
        await connection.execute("set idle_in_transaction_session_timeout = 0")
        if not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK + 1):
            raise AlreadyExists("another move into this database is under way")
        yield Filling(connection, clock)
    except Exception as error:
        meaning = from_postgres(error)
        raise meaning from (None if meaning is error else error)
    finally:
        await connection.close(timeout=Manners().lock.total_seconds())
