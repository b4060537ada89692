"""The PostgreSQL server of a run: of its own, on the disk, set as a small dedicated one would be.

Found where the tests find it. What a statement costs is what the server
itself counts, in pg_stat_statements.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.fakes.postgres import PostgresServer, programs

# What 250 promises is kept (fsync); the rest is what every guide says of a server with a little memory.
SETTINGS = (
    "fsync=on",
    "full_page_writes=on",
    "autovacuum=on",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "checkpoint_timeout=15min",
    "max_connections=300",
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track=top",
)
_COST = (
    "select coalesce(sum(calls), 0) as statements, coalesce(sum(total_exec_time), 0) as milliseconds,"
    " coalesce(sum(wal_bytes), 0)::bigint as wal from pg_stat_statements s"
    " join pg_database d on d.oid = s.dbid where d.datname = $1 and query not like '%pg_stat_statements%'"
)
_DEAREST = (
    "select query, calls, total_exec_time as milliseconds from pg_stat_statements s"
    " join pg_database d on d.oid = s.dbid where d.datname = $1 order by total_exec_time desc limit $2"
)
_UNDER_WAY = (
    "select (select count(*) from recipients where state in ('queued', 'leased'))"
    " + (select count(*) from messages) - (select count(*) from letters) as under_way"
    " /* not pg_stat_statements */"
)
_TURNED_BACK = "select xact_rollback from pg_stat_database where datname = $1"


@dataclass(frozen=True, slots=True)
class Cost:
    """Since the count began: statements, their milliseconds in the server, octets of its log."""

    statements: int
    milliseconds: float
    log_octets: int


@dataclass(frozen=True, slots=True)
class Books:
    """The server's own counters for one database."""

    server: PostgresServer
    url: str

    @property
    def name(self) -> str:
        return database_of(self.url)

    async def begin(self) -> None:
        """Count from here."""
        await self._ask("create extension if not exists pg_stat_statements")
        await self._ask("select pg_stat_statements_reset()")

    async def cost(self) -> Cost:
        (row,) = await self._ask(_COST, self.name)
        return Cost(int(row["statements"]), row["milliseconds"], row["wal"])

    async def dearest(self, count: int) -> list[tuple[str, int, float]]:
        """The statements that took most: text, calls, milliseconds."""
        rows = await self._ask(_DEAREST, self.name, count)
        return [(row["query"], row["calls"], row["milliseconds"]) for row in rows]

    async def settled(self, limit: float = 60) -> None:
        """Wait until every outcome is written down, and every letter of what was sent."""
        async with asyncio.timeout(limit):
            while (await self._ask_store(_UNDER_WAY))[0]["under_way"]:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.1)

    async def size(self) -> int:
        """Octets of the database on disk, indexes and rows that are dead included."""
        (row,) = await self._ask("select pg_database_size($1) as octets", self.name)
        return int(row["octets"])

    async def turned_back(self) -> int:
        """Transactions that were rolled back, those that met another's among them."""
        (row,) = await self._ask(_TURNED_BACK, self.name)
        return int(row["xact_rollback"])

    async def _ask(self, statement: str, *args: Any) -> list[Any]:
        """Of the server, in a database that nobody else uses."""
        return await _asked(self.server.url("postgres"), statement, *args)

    async def _ask_store(self, statement: str, *args: Any) -> list[Any]:
        return await _asked(self.url, statement, *args)


def database_of(url: str) -> str:
    """Its name in an address."""
    return url.partition("@/")[2].partition("?")[0]


async def _asked(url: str, statement: str, *args: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        rows: list[Any] = await connection.fetch(statement, *args)
        return rows
    finally:
        await connection.close()


@contextmanager
def server_below(base: Path) -> Iterator[PostgresServer]:
    """One for the length of the block. `base` must be on a disk, and its path short: a socket lies there."""
    bin_ = programs()
    assert bin_ is not None
    directory = Path(tempfile.mkdtemp(prefix="ph-pg-", dir=base))
    try:
        server = PostgresServer(bin_, directory, SETTINGS)
        try:
            yield server
        finally:
            server.stop(immediately=True)
    finally:
        shutil.rmtree(directory)
