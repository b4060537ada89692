"""Works that would wait for the same row go one after another in one transaction, and share its commit.

Two acceptances of one mailbox meet at its allowance. Each for itself would
keep that row locked until its commit is on disk, and the next would wait so
long. Whoever comes while one transaction is under way is in the next; and other
nodes may have the row as soon as it is committed, before it is on disk.
"""

import contextvars
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from relay.store.database import Transaction, Work
from relay.store.faults import StoreFault
from relay.store.lots import Lots
from relay.store.postgres.faults import Collided
from relay.store.postgres.transaction import Driven, PostgresTransaction

T = TypeVar("T")
Run = Callable[[Work[Any]], Awaitable[Any]]

MOST_TOGETHER: Final = 64


class _Place:
    """A work that somebody waits for, in the context of whoever does; `answer` is its value or its error."""

    __slots__ = ("answer", "context", "work")

    def __init__(self, work: Work[Any]) -> None:
        self.work = work
        self.context = contextvars.copy_context()
        self.answer: Any = None

    async def run(self, tx: Transaction) -> None:
        assert isinstance(tx, PostgresTransaction)
        self.answer = await Driven(self.work, tx, self.context)


class _Spoilt(Exception):
    """One of the works failed, so nothing of the transaction is kept."""


class Companies:
    """Companies by name. `run` runs one work in a transaction of its own, again where it has to be."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._companies: dict[str, Lots[_Place, Any]] = {}

    async def transact(self, name: str, work: Work[T]) -> T:
        """Run `work` with those of the same name until it is committed."""
        company = self._companies.get(name)
        if company is None:
            company = self._companies[name] = Lots(self._attend, MOST_TOGETHER)
        try:
            value: T = await company.join(_Place(work))
            return value
        finally:
            if company.is_idle:
                self._companies.pop(name, None)

    async def finish(self) -> None:
        """Wait for everything that was asked for."""
        for company in list(self._companies.values()):
            await company.finish()

    async def _attend(self, places: Sequence[_Place]) -> list[Any]:
        """As if none could fail; then so that one's failure is its own; then each alone."""
        if len(places) > 1:
            for attempt in (_one_after_another, _each_guarded):
                try:
                    await self._run(partial(attempt, places))
                    return [place.answer for place in places]
                except _Spoilt:
                    continue
        for place in places:
            try:
                await self._run(place.run)
            except Exception as error:
                place.answer = error
        return [place.answer for place in places]


async def _one_after_another(places: Sequence[_Place], tx: Transaction) -> None:
    assert isinstance(tx, PostgresTransaction)
    tx.puts_last = True
    try:
        for place in places:
            await place.run(tx)
        await tx.write_down()
    except Exception as error:
        raise _Spoilt from error


async def _each_guarded(places: Sequence[_Place], tx: Transaction) -> None:
    """Each in a savepoint: a work that raises keeps nothing, and its error is its own."""
    assert isinstance(tx, PostgresTransaction)
    tx.puts_last = True
    try:
        for place in places:
            await _guarded(place, tx)
        await tx.write_down()
    except Exception as error:
        raise _Spoilt from error


async def _guarded(place: _Place, tx: PostgresTransaction) -> None:
    before = await tx.set_savepoint()
    try:
        await place.run(tx)
        if tx.failure is not None:
            raise tx.failure
    except Exception as error:
        if isinstance(tx.failure, Collided | StoreFault):  # of the transaction, whatever the work made of it
            raise
        place.answer = error
        await tx.back_to_savepoint(before)
