"""Bring a PostgreSQL store to today's tables: the same steps as on SQLite, one node at a time.

All missing steps are one transaction under an advisory lock, so a node that
starts beside others waits, and dying halfway leaves what was there. A node of
the version before goes on working with the tables of this one.
"""

import re
from typing import Any

from relay.clock import Clock, to_us
from relay.errors import PosthouseError
from relay.store import migrations
from relay.store.dialect import POSTGRES, expand
from relay.store.faults import refuse_newer
from relay.store.marks import UNFINISHED, refuse_marked

# "post" in two of PostgreSQL's advisory key spaces: nobody else's by chance.
LOCK = 0x706F7374_686F7573
# Steps that wait for other nodes, or fill an index, may take as long as they need.
_PATIENTLY = "set local lock_timeout = 0; set local statement_timeout = 0"
_LEDGER = "create table if not exists schema_steps (name text primary key, applied_at bigint not null)"
_COLUMN = re.compile(r"(^\s*(?:alter table \w+ add column )?\w+ text)\b", re.MULTILINE)
_ENCODING = "select current_setting('server_encoding')"


async def migrate(connection: Any, clock: Clock, *, filling: bool = False) -> None:
    """Run the steps that are missing; raises SchemaTooNew, and PosthouseError for a database not in UTF-8.

    A store into which mail is still being moved is for who does that (`filling`);
    others get MoveUnfinished.
    """
    encoding = await connection.fetchval(_ENCODING)
    if encoding != "UTF8":
        raise PosthouseError(f"the database's encoding is {encoding}; make one with encoding UTF8")
    if not filling:
        refuse_marked(await steps_of(connection))
    if await _missing(connection):
        await _run_missing(connection, clock)


async def _run_missing(connection: Any, clock: Clock) -> None:
    async with connection.transaction():
        await connection.execute(_PATIENTLY)
        await connection.execute(f"select pg_advisory_xact_lock({LOCK})")
        await connection.execute(_LEDGER)
        for name, text in await _missing(connection):
            for statement in migrations.statements(text):
                await _run(connection, statement, clock)
            await connection.execute(
                "insert into schema_steps (name, applied_at) values ($1, $2)", name, to_us(clock.now())
            )


async def steps_of(connection: Any) -> list[str]:
    """The steps that a database has been through, marks among them; none where there is no store."""
    if not await connection.fetchval("select to_regclass('schema_steps') is not null"):
        return []
    return [row[0] for row in await connection.fetch("select name from schema_steps order by name")]


async def _missing(connection: Any) -> list[tuple[str, str]]:
    known = migrations.steps()
    applied = [name for name in await steps_of(connection) if not name.startswith(UNFINISHED)]
    refuse_newer(applied, [name for name, _ in known])
    return [(name, text) for name, text in known if name not in applied]


async def _run(connection: Any, statement: str, clock: Clock) -> None:
    macros = {**POSTGRES, "now": lambda _: str(to_us(clock.now()))}
    text = expand(statement, macros).text.strip()
    if text:
        await connection.execute(as_octets(text))


def as_octets(text: str) -> str:
    """A statement that makes columns, its texts compared by their octets: as on SQLite, in any locale."""
    return _COLUMN.sub(r'\1 collate "C"', text)
