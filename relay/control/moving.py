"""Carry the whole store over to PostgreSQL: queue, letters, bodies, log; then prove that all of it arrived.

Nobody else has either store meanwhile. Whenever this dies, the old store is
as it was or closed, the new one closed, and the same command begins again; they are
never open both. The old one is closed first: what was proved must not change.
"""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from inbound.letters import records, search, texts
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from relay.clock import Clock, to_us
from relay.config import Config
from relay.config.values import SecretUrl
from relay.control.context import Progress, nobody_watches
from relay.errors import InvalidInput, NotFound, PosthouseError
from relay.queue import claims
from relay.store.bodies import BodyShelf
from relay.store.database import Transaction
from relay.store.faults import StoreDamaged, StoreOwned
from relay.store.health import Reserve
from relay.store.marks import StoreMoved
from relay.store.moving import source
from relay.store.moving.compare import compare
from relay.store.moving.source import Source, StoredRow, Table
from relay.store.opening import open_empty
from relay.store.sqlite import SqliteDatabase, open_sqlite
from relay.webhooks import deliveries

if TYPE_CHECKING:  # it needs asyncpg, which is an extra
    from relay.store.postgres.filling import Filling

LETTERS_AT_ONCE: Final = 200
_WORDS: Final = "letter_search"
_FOR_EVER: Final = (1 << 63) - 1
_EQUAL_WORDS: Final = (
    "select count(*) from letter_search s join unnest($1::bigint[], $2::text[]) as w(number, words)"
    " on s.rowid = w.number and s.words = cast(w.words as tsvector)"
)


@dataclass(slots=True)
class Move:
    """One run: what it reads, where it writes, how far it is."""

    db: SqliteDatabase
    old: Source
    shelf: BodyShelf
    filling: "Filling"
    progress: Progress
    total: int = 0
    done: int = 0
    tables: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def count(self) -> None:
        """How much there is to do; each thing is carried, and then looked at again."""
        names = [*(table.name for table in self.old.tables), _WORDS]
        self.total = 2 * (sum(map(self.old.count, names)) + sum(1 for _ in self.old.bodies()))

    def step(self, what: str, number: int = 1) -> None:
        self.done += number
        self.progress(what, self.done, self.total)

    async def carry(self) -> None:
        """Bodies before the rows that name them, parents before children, words from the letters."""
        for name in self.old.bodies():
            await self._carry_body(name)
        for table in self.old.tables:
            what = f"copying {table.name}"
            rows = self._counted(what, self.old.rows(table))
            await self.filling.copy(table.name, table.columns, rows)
        async for letters in self._letters():
            async with self.filling.transaction() as tx:
                await search.insert_many(tx, letters)
            self.step("copying words", len(letters))
        await self.filling.number_on_from(self.old.last_event())

    async def prove(self) -> None:
        """Read both sides again; `differences` names what is not the same."""
        for table in self.old.tables:
            await self._prove_table(table)
        for name in self.old.bodies():
            await self._prove_body(name)
        await self._prove_words()

    def _counted(self, what: str, rows: Iterator[StoredRow]) -> Iterator[StoredRow]:
        for row in rows:
            yield row
            self.step(what)

    async def _carry_body(self, name: str) -> None:
        try:
            await self.filling.add_body(name, self.shelf.path(name))
        except FileNotFoundError as error:
            raise StoreDamaged(f"the body file {name} is missing; `posthouse verify` tells more") from error
        self.step("copying bodies")

    async def _prove_table(self, table: Table) -> None:
        what = f"comparing {table.name}"
        rows = self.filling.rows(table.in_order)
        found = await compare(table, self.old.rows(table), rows, lambda: self.step(what))
        self.tables.append(
            {
                "table": table.name,
                "rows": found.left.rows,
                "rows_moved": found.right.rows,
                "digest": found.left.digest,
                "digest_moved": found.right.digest,
                "same": found.is_equal,
            }
        )
        self.differences += found.differences
        if (more := found.differing - len(found.differences)) > 0:
            self.differences.append(f"{table.name}: {more} more")

    async def _prove_body(self, name: str) -> None:
        stored = self.filling.rows("select octets from body_chunks where name = $1 order by place", name)
        with self.shelf.path(name).open("rb") as file:
            same = True
            async for (octets,) in stored:
                assert isinstance(octets, bytes)
                same = same and file.read(len(octets)) == octets
            if not same or file.read(1):
                self.differences.append(f"body {name}: other octets")
        self.step("comparing bodies")

    async def _prove_words(self) -> None:
        indexed = 0
        async for letters in self._letters():
            vectors = [search.vector_of(letter, text) for letter, text in letters]
            equal = await self.filling.ask(_EQUAL_WORDS, [letter.number for letter, _ in letters], vectors)
            indexed += len(letters)
            if equal != len(letters):
                first = letters[0][0].number
                self.differences.append(f"words of letters from {first} on: {len(letters) - equal} differ")
            self.step("comparing words", len(letters))
        found = await self.filling.ask("select count(*) from letter_search")
        wanted = self.old.count(_WORDS)
        if not found == wanted == indexed:
            self.differences.append(f"words of {wanted} letters, of which {found} arrived")
        self.tables.append({"table": _WORDS, "rows": wanted, "rows_moved": found, "same": found == wanted})

    async def _letters(self) -> AsyncIterator[list[tuple[Letter, Text]]]:
        """The letters that are found by their words, with their texts, some at a time."""
        numbers = self.old.numbers(_WORDS)
        while batch := list(itertools.islice(numbers, LETTERS_AT_ONCE)):
            letters = await records.of_numbers(self.db, batch)
            said = await texts.find_many(self.db, [letter.message_id for letter in letters])
            yield [(letter, said[letter.message_id]) for letter in letters if letter.message_id in said]


async def move(config: Config, url: str, clock: Clock, progress: Progress = nobody_watches) -> dict[str, Any]:
    """Move the store of this configuration to the server at `url`.

    What is returned has `differences`; when there are any, the old store goes
    on as it was. Raises StoreOwned while a process uses it, AlreadyExists for a
    database that is not empty, StoreMoved when it was moved before.
    """
    store = _store_of(config, url)
    async with open_empty(url, clock) as filling:
        if source.has_moved(store):
            if await filling.unfinished_of() != source.identity(store):
                raise StoreMoved(f"{store} has been moved already; its mail is at a PostgreSQL server")
            source.unmark(store)  # neither is open to nodes: the other one has its mark still
        db = _open(store, clock)
        try:
            return await _move(config, db, filling, clock, progress)
        finally:
            await db.close()


async def _move(
    config: Config, db: SqliteDatabase, filling: "Filling", clock: Clock, progress: Progress
) -> dict[str, Any]:
    progress("looking at the store", 0, 0)
    if complaints := await db.integrity():
        raise StoreDamaged(f"{db.path}: {complaints[0]}; nothing was moved")
    ended = await db.transact(lambda tx: _end_leases(tx, clock))
    shelf, reading, known_as = (
        BodyShelf(config.server.data_dir, clock),
        Source(db.path),
        source.identity(db.path),
    )
    try:
        await filling.begin(known_as)
        run = Move(db, reading, shelf, filling, progress)
        run.count()
        await run.carry()
        mended = reading.mended
        await run.prove()
        if not run.differences:
            await db.transact(lambda tx: source.mark_moved(tx, clock))
            await filling.finish(known_as)
        return {
            "store": str(db.path),
            "tables": run.tables,
            "rows": sum(table["rows"] for table in run.tables),
            "bodies": sum(1 for _ in reading.bodies()),
            "leases_ended": ended,
            "texts_mended": mended,
            "differences": run.differences,
        }
    finally:
        reading.close()
        shelf.close()


def _store_of(config: Config, url: str) -> Path:
    if not url.startswith("postgresql://"):
        raise InvalidInput(f'{SecretUrl(url).redacted()} is not "postgresql://user@host/database"')
    store = config.store_file
    if store is None:
        raise InvalidInput("store.url names a PostgreSQL server already: there is no SQLite store to move")
    if not store.is_file():
        raise NotFound(f"no store at {store}")
    return store


def _open(store: Path, clock: Clock) -> SqliteDatabase:
    try:
        return open_sqlite(store, clock, reserve=Reserve(0, 0), health_interval=None)
    except StoreOwned as owned:
        raise PosthouseError(f"{owned}; stop it first: its clients try again, and no mail is lost") from owned


async def _end_leases(tx: Transaction, clock: Clock) -> int:
    """What a daemon that died had in hand is due again, as at its next start."""
    owners = await tx.fetch_all("select distinct lease_owner as name from recipients where state = 'leased'")
    ended = sum([await claims.end_leases(tx, clock, owner=row["name"]) for row in owners])
    return ended + await deliveries.end_leases(tx, to_us(clock.now()), until=_FOR_EVER)
