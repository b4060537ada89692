"""What is PostgreSQL's own: works that met, a server that goes and comes, steps and cursors of many."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from relay.clock import to_us
from relay.errors import PosthouseError, StoreUnavailable
from relay.events import log
from relay.events.kinds import EventKind
from relay.store import migrations
from relay.store.database import Transaction
from relay.store.faults import Fault, SchemaTooNew, StoreFault
from relay.store.postgres.engine import PostgresDatabase, open_postgres
from relay.store.postgres.faults import from_postgres
from relay.store.postgres.pool import Manners, Pool
from relay.tenants.tenants import DEFAULT_TENANT
from tests.conftest import NO_RESERVE
from tests.fakes import postgres
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import PostgresServer, running_server

MANNERS = Manners()
PUT = "insert into cursors (name, seq) values ($1, $2)"


@pytest.fixture
async def db(postgres_url: str, data_dir: Path, clock: FakeClock) -> AsyncIterator[PostgresDatabase]:
    store = await opened(postgres_url, data_dir, clock)
    yield store
    await store.close()


@pytest.fixture
async def beside(postgres_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[PostgresDatabase]:
    """Another node on the same store."""
    store = await opened(postgres_url, tmp_path / "beside", clock)
    yield store
    await store.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    if postgres.programs() is None:
        pytest.skip(postgres.NEEDED)
    with running_server("fsync=on") as server:
        yield server


async def opened(url: str, data_dir: Path, clock: FakeClock, manners: Manners = MANNERS) -> PostgresDatabase:
    return await open_postgres(
        url, clock, directory=data_dir, reserve=NO_RESERVE, health_interval=None, manners=manners
    )


async def setting(db: PostgresDatabase, name: str) -> str:
    async def work(tx: Transaction) -> str:
        row = await tx.fetch_one("select current_setting($1)", name)
        assert row is not None
        return str(row[0])

    return await db.transact(work)


async def test_works_are_serializable_durable_and_end(db: PostgresDatabase) -> None:
    assert await setting(db, "transaction_isolation") == "serializable"
    assert await setting(db, "synchronous_commit") == "on"
    assert await setting(db, "idle_in_transaction_session_timeout") == "10s"

    async def work(tx: Transaction) -> str:
        row = await tx.fetch_one("show transaction_isolation")
        assert row is not None
        return str(row[0])

    assert await db.transact(work, side_by_side=True) == "read committed"


async def test_a_work_that_met_another_is_run_again_from_its_start(
    db: PostgresDatabase, beside: PostgresDatabase
) -> None:
    await db.transact(lambda tx: tx.execute(PUT, "count", 0))
    has_read, go_on, tries = asyncio.Event(), asyncio.Event(), 0

    async def slow(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        row = await tx.fetch_one("select seq from cursors where name = 'count'")
        assert row is not None
        if tries == 1:
            has_read.set()
            await tx.execute("select pg_advisory_xact_lock(1)")
        await tx.execute("update cursors set seq = $1 where name = 'count'", row["seq"] + 1)

    async def quick(tx: Transaction) -> None:
        await tx.execute("update cursors set seq = seq + 10 where name = 'count'")

    async with held_up(beside, go_on):
        first = asyncio.ensure_future(db.transact(slow))
        await has_read.wait()
        await beside.transact(quick)
        go_on.set()
        await first
    row = await db.fetch_one("select seq from cursors where name = 'count'")
    assert row is not None
    assert (row["seq"], tries, db.collisions) == (11, 2, 1)


class held_up:
    """Another session has an advisory lock, 1 if not another, until the event is set."""

    def __init__(self, db: PostgresDatabase, until: asyncio.Event, lock: int = 1) -> None:
        self._db, self._until, self._number = db, until, lock

    async def __aenter__(self) -> None:
        self._lent = self._db._writers.lend()
        self._connection = await self._lent.__aenter__()
        await self._connection.execute(f"select pg_advisory_lock({self._number})")
        self._task = asyncio.create_task(self._let_go())

    async def __aexit__(self, *_: object) -> None:
        self._until.set()
        await self._task
        await self._lent.__aexit__(None, None, None)

    async def _let_go(self) -> None:
        await self._until.wait()
        await self._connection.execute(f"select pg_advisory_unlock({self._number})")


async def test_a_row_that_stays_locked_is_waited_for_not_for_ever(
    postgres_url: str, data_dir: Path, clock: FakeClock, beside: PostgresDatabase
) -> None:
    db = await opened(postgres_url, data_dir, clock, Manners(lock=timedelta(milliseconds=50)))
    try:
        async with held_up(beside, asyncio.Event()):
            with pytest.raises(StoreUnavailable, match="too slow"):
                await db.transact(lambda tx: tx.execute("select pg_advisory_xact_lock(1)"))
        assert db.accepting
        assert await db.transact(lambda tx: tx.execute(PUT, "a", 1)) == 1
    finally:
        await db.close()


async def test_a_connection_whose_end_was_announced_is_given_to_nobody_again(db: PostgresDatabase) -> None:
    """The server says that it ends a session before it closes it; meanwhile the driver is out of step."""
    out_of_step = asyncpg.InternalClientError("cannot switch to state 15; another operation is in progress")
    said = from_postgres(out_of_step)
    assert isinstance(said, StoreFault)
    assert said.fault is Fault.UNREACHABLE
    lent: list[Any] = []

    async def fails(pool: Pool) -> None:
        async with pool.lend() as connection:
            lent.append(await connection.fetchval("select pg_backend_pid()"))
            raise out_of_step

    for pool in (db._readers, db._writers):
        with pytest.raises(asyncpg.InternalClientError):
            await fails(pool)
        async with pool.lend() as connection:
            assert await connection.fetchval("select pg_backend_pid()") not in lent


async def test_a_session_that_is_ended_costs_nobody_anything(
    db: PostgresDatabase, beside: PostgresDatabase
) -> None:
    ended = 0

    async def end_it(tx: Transaction) -> None:
        nonlocal ended
        await tx.execute(PUT, "a", 1)
        row = await tx.fetch_one("select pg_backend_pid() as pid")
        assert row is not None
        if not ended:
            ended = row["pid"]
            await tx.execute("select pg_terminate_backend($1)", ended)
            await tx.execute(PUT, "b", 1)

    await db.transact(end_it)
    rows = await db.fetch_all("select name from cursors")
    assert [row["name"] for row in rows] == ["a"]
    assert db.accepting


async def test_a_server_that_is_away_closes_the_intake_until_it_is_back(
    own_server: PostgresServer, data_dir: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    url = await asyncio.to_thread(own_server.empty_database)
    db = await opened(url, data_dir, clock)
    try:
        await db.transact(lambda tx: tx.execute(PUT, "kept", 1), intake=True)
        await asyncio.to_thread(own_server.stop, immediately=True)
        with pytest.raises(StoreFault) as caught:
            await db.transact(lambda tx: tx.execute(PUT, "lost", 1), intake=True)
        assert caught.value.fault is Fault.UNREACHABLE
        assert caught.value.reply.code == 451
        assert not db.accepting
        assert not await db.probe()
        with pytest.raises(StoreUnavailable, match="out of reach"):
            await db.transact(lambda tx: tx.execute(PUT, "refused", 1), intake=True)
        with pytest.raises(StoreUnavailable):
            await db.fetch_all("select 1")

        await asyncio.to_thread(own_server.start)
        assert await db.probe()
        await db.transact(lambda tx: tx.execute(PUT, "after", 1), intake=True)
        rows = await db.fetch_all("select name from cursors order by name")
        assert [row["name"] for row in rows] == ["after", "kept"]
    finally:
        await db.close()
    assert "accepting mail again" in caplog.text


async def test_a_server_that_went_while_nobody_asked_is_noticed_by_looking(
    own_server: PostgresServer, data_dir: Path, clock: FakeClock
) -> None:
    url = await asyncio.to_thread(own_server.empty_database)
    db = await opened(url, data_dir, clock)
    try:
        await asyncio.to_thread(own_server.stop)
        assert not await db.probe()
        assert db.trouble is not None
    finally:
        await db.close()


async def test_a_database_that_may_not_be_written_closes_the_intake(
    postgres_server: PostgresServer, postgres_url: str, data_dir: Path, clock: FakeClock
) -> None:
    """As on a standby, or after a failover that was not followed."""
    db = await opened(postgres_url, data_dir, clock)
    name = postgres_url.partition("@/")[2].partition("?")[0]

    async def work(tx: Transaction) -> None:
        await tx.execute("set transaction read only")
        await tx.execute(PUT, "a", 1)

    try:
        with pytest.raises(StoreFault) as caught:
            await db.transact(work)
        assert caught.value.fault is Fault.READ_ONLY
        assert not db.accepting
        assert await db.probe(), f"{name} can be written"
    finally:
        await db.close()


async def test_many_nodes_that_start_at_once_make_the_tables_once(
    postgres_server: PostgresServer, tmp_path: Path, clock: FakeClock
) -> None:
    url = await asyncio.to_thread(postgres_server.empty_database)
    stores = await asyncio.gather(*(opened(url, tmp_path / str(place), clock) for place in range(4)))
    try:
        rows = await stores[0].fetch_all("select name from schema_steps order by name")
        assert [row["name"] for row in rows] == [name for name, _ in migrations.steps()]
        tenants = await stores[1].fetch_all("select id from tenants")
        assert [row["id"] for row in tenants] == [DEFAULT_TENANT]
        assert await stores[2].integrity() == []
    finally:
        for store in stores:
            await store.close()
        await asyncio.to_thread(postgres_server.drop, url)


async def test_a_node_goes_on_when_a_newer_one_has_added_a_step(
    db: PostgresDatabase, postgres_url: str, data_dir: Path, clock: FakeClock
) -> None:
    """Statements that were planned before are planned anew; only an older node's start is refused."""
    await db.fetch_all("select * from cursors")

    async def work(tx: Transaction) -> None:
        await tx.execute("alter table cursors add column note text")
        await tx.execute("insert into schema_steps (name, applied_at) values ('m9999_later', 0)")

    await db.transact(work)
    assert await db.fetch_all("select * from cursors") == []
    await db.transact(lambda tx: tx.execute(PUT, "a", 1))
    await db.transact(lambda tx: tx.fetch_all("select * from cursors"))
    with pytest.raises(SchemaTooNew, match="m9999_later"):
        await opened(postgres_url, data_dir, clock)


async def test_a_database_in_another_encoding_is_refused(
    postgres_server: PostgresServer, data_dir: Path, clock: FakeClock
) -> None:
    options = "encoding 'LATIN1' locale 'C' template template0"
    url = await asyncio.to_thread(postgres_server.empty_database, options)
    with pytest.raises(PosthouseError, match="encoding is LATIN1"):
        await opened(url, data_dir, clock)
    await asyncio.to_thread(postgres_server.drop, url)


async def test_a_wrong_address_is_named(data_dir: Path, tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(StoreFault) as caught:
        await opened(f"postgresql://posthouse@/nowhere?host={tmp_path}", data_dir, clock)
    assert caught.value.fault is Fault.UNREACHABLE


async def test_a_cursor_passes_no_event_that_is_still_to_come(
    db: PostgresDatabase, beside: PostgresDatabase, clock: FakeClock
) -> None:
    """A number is given before its commit: what has a larger one waits until the smaller is there, too."""
    wrote, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> None:
        await log.append(tx, clock, EventKind.MESSAGE_ACCEPTED, tenant_id=DEFAULT_TENANT)
        await tx.fetch_one("select 1")
        wrote.set()
        await tx.execute("select pg_advisory_xact_lock(1)")

    async def quick(tx: Transaction) -> None:
        await log.append(tx, clock, EventKind.MESSAGE_SENT, tenant_id=DEFAULT_TENANT)

    async with held_up(beside, go_on):
        first = asyncio.ensure_future(db.transact(slow))
        await wrote.wait()
        await db.transact(quick)
        assert await log.after(db, 0, 10) == []
        assert await log.last_seq(db) == 0
        go_on.set()
        await first
    kinds = [event.kind for event in await log.after(db, 0, 10)]
    assert kinds == [EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_SENT]
    assert await log.last_seq(db) == 2


async def test_a_number_of_the_log_is_younger_than_its_transaction(db: PostgresDatabase) -> None:
    """Else one could be given, and overtaken, before anybody can see that there is a transaction."""
    row = await db.fetch_one(
        "select pg_get_expr(adbin, adrelid) as text from pg_attrdef d join pg_attribute a"
        " on a.attrelid = d.adrelid and a.attnum = d.adnum"
        " where d.adrelid = 'events'::regclass and a.attname = 'seq'"
    )
    assert row is not None
    text = str(row["text"])
    assert text.index("pg_current_xact_id()") < text.index("nextval")


async def test_a_cursor_waits_for_who_began_later_and_was_numbered_before(
    db: PostgresDatabase, beside: PostgresDatabase, clock: FakeClock
) -> None:
    began, wrote, go_on, is_first_done = (asyncio.Event() for _ in range(4))

    async def early(tx: Transaction) -> None:
        await tx.execute("insert into cursors (name, seq) values ('early', 0)")
        began.set()
        await tx.execute("select pg_advisory_xact_lock(2)")
        await log.append(tx, clock, EventKind.MESSAGE_SENT, tenant_id=DEFAULT_TENANT)

    async def late(tx: Transaction) -> None:
        await log.append(tx, clock, EventKind.MESSAGE_ACCEPTED, tenant_id=DEFAULT_TENANT)
        await tx.fetch_one("select 1")
        wrote.set()
        await tx.execute("select pg_advisory_xact_lock(1)")

    async with held_up(beside, go_on), held_up(beside, is_first_done, lock=2):
        first = asyncio.ensure_future(db.transact(early, side_by_side=True))
        await began.wait()
        second = asyncio.ensure_future(db.transact(late, side_by_side=True))
        await wrote.wait()
        is_first_done.set()
        await first
        assert await log.after(db, 0, 10) == []
        assert await log.last_seq(db) == 0
        go_on.set()
        await second
    kinds = [event.kind for event in await log.after(db, 0, 10)]
    assert kinds == [EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_SENT]


async def test_the_log_is_not_followed_within_a_transaction(db: PostgresDatabase) -> None:
    """A snapshot may be older than what is known to be complete."""
    with pytest.raises(RuntimeError, match="outside of transactions"):
        await db.transact(lambda tx: log.after(tx, 0, 10))


async def test_integrity_names_a_body_that_lacks_a_part(db: PostgresDatabase, clock: FakeClock) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(
            "insert into messages (id, tenant_id, direction, source, reverse_path, header_from, subject,"
            " message_id, size, body_size, is_8bit, needs_utf8, lacks_date, tags, metadata, created_at)"
            " values ('msg_1', 'ten_default', 'out', 'smtp', '', '', '', '', 9, 6, 0, 0, 0, '[]', '{}', $1)",
            to_us(clock.now()),
        )
        await tx.execute(
            "insert into contents (message_id, tenant_id, header, body_file)"
            " values ('msg_1', 'ten_default', ''::bytea, 'g_/msg_1')"
        )
        await tx.execute_many(
            "insert into body_chunks (name, place, octets, created_at) values ('g_/msg_1', $1, $2, 0)",
            [(0, b"abc"), (1, b"def")],
        )

    await db.transact(work)
    assert await db.integrity() == []
    await db.transact(lambda tx: tx.execute("delete from body_chunks where place = 0"))
    assert await db.integrity() == ["message msg_1: its body has 3 octets instead of 6"]


async def test_an_index_that_is_not_valid_is_named(db: PostgresDatabase, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute(
            "update pg_index set indisvalid = false where indexrelid = 'events_by_age'::regclass"
        )
    finally:
        await connection.close()
    assert await db.integrity() == ["index events_by_age is not valid"]


async def test_health_is_looked_at_by_itself(
    own_server: PostgresServer, data_dir: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            loop.call_soon_threadsafe(told.put_nowait, record.getMessage())

    ear = Ear()
    logging.getLogger("relay.store.health").addHandler(ear)
    url = await asyncio.to_thread(own_server.empty_database)
    db = await open_postgres(
        url, clock, directory=data_dir, reserve=NO_RESERVE, health_interval=timedelta(milliseconds=20)
    )
    try:
        await asyncio.to_thread(own_server.stop)
        assert (await told.get()).startswith("not accepting mail: the store is out of reach")
        await asyncio.to_thread(own_server.start)
        while "accepting mail again" not in await told.get():
            pass
        assert db.accepting
    finally:
        logging.getLogger("relay.store.health").removeHandler(ear)
        await db.close()
