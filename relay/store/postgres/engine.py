"""The store on a PostgreSQL server: works and questions, on two pools of connections."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.store.database import Engine, Row, Value, Work
from relay.store.faults import Fault, StoreFault, from_os
from relay.store.group import CommitObserver
from relay.store.health import Ballast, Health, Reserve
from relay.store.postgres.faults import Collided, from_postgres
from relay.store.postgres.health import Watch
from relay.store.postgres.horizon import Horizon
from relay.store.postgres.integrity import complaints
from relay.store.postgres.migrating import migrate
from relay.store.postgres.pool import Manners, Pool, connect, open_pool
from relay.store.postgres.together import Companies
from relay.store.postgres.transaction import bound, follows_log, with_horizon
from relay.store.postgres.works import Works, refuse_nested

T = TypeVar("T")

HEALTH_INTERVAL = timedelta(seconds=2)
# A question writes nothing, so it may be asked again when its connection was lost.
_ASKED = 2


class PostgresDatabase:
    """A `Database` on a server that other nodes may use as well. Made by `open_postgres`."""

    engine: Engine = "postgresql"

    def __init__(self, works: Works, writers: Pool, readers: Pool, health: Health, watch: Watch) -> None:
        self._works = works
        self._companies = Companies(works.transact_briefly)
        self._writers = writers
        self._readers = readers
        self._horizon = Horizon()
        self._health = health
        self._watch = watch
        self._closed = False

    @property
    def collisions(self) -> int:
        """How often a work was run again because it had met another's."""
        return self._works.collisions

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
        if intake:
            self._health.check_intake()
        if together is not None:
            refuse_nested()
            return await self._companies.transact(together, work)
        return await self._works.transact(work, side_by_side=side_by_side)

    async def fetch_all(self, sql: str, *args: Value) -> Sequence[Row]:
        rows: Sequence[Row] = await self._ask("fetch", sql, args)
        return rows

    async def fetch_one(self, sql: str, *args: Value) -> Row | None:
        row: Row | None = await self._ask("fetchrow", sql, args)
        return row

    async def look_up(self, sql: str, *args: Value) -> Row | None:
        return await self.fetch_one(sql, *args)

    @property
    def accepting(self) -> bool:
        return self._health.trouble is None

    @property
    def trouble(self) -> str | None:
        return self._health.trouble

    def check_intake(self) -> None:
        self._health.check_intake()

    async def probe(self) -> bool:
        await self._watch.look()
        return self.accepting

    def note_trouble(self, error: OSError) -> StoreFault:
        fault = from_os(error)
        self._health.notice(fault)
        return fault

    async def integrity(self) -> list[str]:
        """What the server itself says is wrong with what it keeps; files are its administrator's affair."""
        async with self._readers.lend() as connection:
            return await complaints(connection)

    async def close(self) -> None:
        self._closed = True
        await self._watch.stop()
        await self._companies.finish()
        await self._works.finish()
        await self._readers.close()
        await self._writers.close()

    async def _ask(self, how: str, sql: str, args: Sequence[Value]) -> Any:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        text = None if follows_log(sql) else bound(sql, args)
        for asked in range(1, _ASKED + 1):
            try:
                async with self._readers.lend() as connection:
                    if text is None:
                        text, args = with_horizon(sql, args, await self._horizon.look(connection))
                    return await getattr(connection, how)(text, *args)
            except Exception as error:
                meaning = from_postgres(error)
                if asked == _ASKED or not _may_pass(meaning):
                    raise self._meaning(meaning, sql) from error
        raise AssertionError("unreachable")

    def _meaning(self, error: BaseException, sql: str) -> BaseException:
        if isinstance(error, StoreFault):
            if error.fault is Fault.READ_ONLY:  # of this connection, not of the store
                return RuntimeError(f"a statement that writes needs a transaction: {sql}")
            self._health.notice(error)
        return error


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Collided) or (isinstance(error, StoreFault) and error.fault is Fault.UNREACHABLE)


async def open_postgres(
    url: str,
    clock: Clock,
    *,
    name: str = "posthouse",
    directory: Path,
    reserve: Reserve = Reserve(),  # noqa: B008 - it is frozen
    observer: CommitObserver | None = None,
    health_interval: timedelta | None = HEALTH_INTERVAL,
    manners: Manners = Manners(),  # noqa: B008 - it is frozen
) -> PostgresDatabase:
    """Open the store at `url`, brought to today's tables as needed.

    `directory` is where mail stands while it comes in; `name` is ours among the
    sessions of the server. Raises StoreFault when the server cannot be had,
    SchemaTooNew, and PosthouseError for a database that cannot hold a store.
    """
    connection = await connect(url, name, manners)
    try:
        await migrate(connection, clock)
    except Exception as error:
        meaning = from_postgres(error)
        raise meaning from (None if meaning is error else error)
    finally:
        await connection.close(timeout=manners.lock.total_seconds())
    writers = await open_pool(url, name, manners, read_only=False)
    readers = await open_pool(url, name, manners, read_only=True)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The server has reserves of its own: room that we give up here would not be its room.
    health = Health(directory, reserve, Ballast(directory / "posthouse.ballast", 0))
    watch = Watch(health, writers, readers, health_interval)
    store = PostgresDatabase(Works(writers, health.notice, clock, observer), writers, readers, health, watch)
    await store.probe()
    return store
