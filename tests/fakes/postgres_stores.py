"""Stores on PostgreSQL as they are when new: emptied and lent again, for making one takes longer than a test.

One whose tables a test has changed is dropped, and so is one that has been
lent often enough for what was deleted in it to matter.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from relay.store.postgres.engine import open_postgres
from tests.fakes.clock import FakeClock
from tests.fakes.postgres import PostgresServer

T = TypeVar("T")

_TEMPLATE = "today"
_LENT_AT_MOST = 25
_numbers = itertools.count(1)

_SHAPE = """
    select md5(string_agg(told, ';' order by told)) from (
        select format('%s.%s %s %s', attrelid::regclass, attname, atttypid, attnotnull) as told
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace = 'public'::regnamespace
        union all select pg_get_constraintdef(oid) from pg_constraint
        where connamespace = 'public'::regnamespace
        union all select format('%s %s', setdatabase, setconfig) from pg_db_role_setting
    ) as tables"""
_OTHERS = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()"""
_EMPTY = """
    do $$ declare each text; begin
        set local session_replication_role = replica;
        for each in select oid::regclass from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'r' loop
            execute 'delete from ' || each;
        end loop;
        for each in select oid::regclass from pg_class
            where relnamespace = 'public'::regnamespace and relkind = 'S' loop
            execute 'alter sequence ' || each || ' restart';
        end loop;
    end $$"""
_TABLES = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"


class PostgresStores:
    """The stores of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._is_made = False
        self._shape = ""
        self._rows: dict[str, Sequence[Any]] = {}
        self._free: list[str] = []
        self._lent: dict[str, int] = {}

    def lend(self) -> str:
        """The address of a store without anything in it but what a new one has."""
        if not self._is_made:
            self._make_template()
        if not self._free:
            name = f"store{next(_numbers)}"
            self._server.sql(f"create database {name} template {_TEMPLATE} strategy file_copy")
            self._free.append(self._server.url(name))
        url = self._free.pop()
        self._lent[url] = self._lent.get(url, 0) + 1
        return url

    def take_back(self, url: str) -> None:
        """Nobody uses it any more; whoever is connected to it is sent away."""
        if self._lent[url] < _LENT_AT_MOST and asyncio.run(_on(url, self._renew)):
            self._free.append(url)
        else:
            self._server.drop(url)

    async def _renew(self, connection: "asyncpg.Connection[Any]") -> bool:
        """Whether it is as new; not if its tables have changed."""
        await connection.execute(_OTHERS)
        if await connection.fetchval(_SHAPE) != self._shape:
            return False
        async with connection.transaction():
            await connection.execute(_EMPTY)
            await self._put_rows(connection)
        return True

    async def _put_rows(self, connection: "asyncpg.Connection[Any]") -> None:
        for table, rows in self._rows.items():
            await connection.copy_records_to_table(table, records=rows, columns=list(rows[0].keys()))

    def _make_template(self) -> None:
        self._server.sql("create database " + _TEMPLATE)
        asyncio.run(_make_tables(self._server.url(_TEMPLATE)))
        asyncio.run(_on(self._server.url(_TEMPLATE), self._remember))
        self._is_made = True

    async def _remember(self, connection: "asyncpg.Connection[Any]") -> None:
        self._shape = await connection.fetchval(_SHAPE)
        for (table,) in await connection.fetch(_TABLES):
            if rows := await connection.fetch(f"table {table}"):
                self._rows[table] = rows


async def _make_tables(url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = await open_postgres(url, FakeClock(), directory=Path(directory), health_interval=None)
        await store.close()


async def _on(url: str, work: "Callable[[asyncpg.Connection[Any]], Awaitable[T]]") -> T:
    connection = await asyncpg.connect(url)
    try:
        return await work(connection)
    finally:
        await connection.close()
