"""Run works, each in a transaction of its own: again when it met another's, and to its end once begun.

Serializable, unless the work says that it may stand beside others: PostgreSQL
then lets no work see another's half, and refuses one of two that would have,
which is run again. Whether a commit of which nothing more was heard has
happened nobody can say: its caller is told that the store is out of reach.
"""

import asyncio
import contextlib
import contextvars
import logging
import random
from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.store.database import Work
from relay.store.faults import StoreFault
from relay.store.group import CommitObserver
from relay.store.postgres.faults import Collided, from_postgres, is_lost
from relay.store.postgres.pool import Pool
from relay.store.postgres.transaction import Driven, PostgresTransaction

T = TypeVar("T")

logger = logging.getLogger(__name__)

TRIES = 12
# After a connection that had been lost before, such as to a server that was started anew.
TRIES_WHEN_LOST = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
_SERIALIZABLE = "begin isolation level serializable"
_SIDE_BY_SIDE = "begin isolation level read committed"
_BRIEFLY = f"{_SIDE_BY_SIDE}; set local synchronous_commit = off"
# A commit of its own that waits for the disk: whatever was committed before it is on disk then, too.
_FLUSH = "select pg_logical_emit_message(true, 'posthouse', '')"

_working: contextvars.ContextVar["asyncio.Task[Any] | None"] = contextvars.ContextVar(
    "_working", default=None
)


def refuse_nested() -> None:
    """Raise RuntimeError where a work is being run: it may only use the transaction that it has."""
    task = _working.get()
    if task is not None and task is asyncio.current_task():
        raise RuntimeError("a transaction within a transaction")


class Works:
    """Runs works on the connections of one pool."""

    def __init__(
        self,
        pool: Pool,
        noticed: Callable[[StoreFault], None],
        clock: Clock,
        observer: CommitObserver | None,
    ) -> None:
        self._pool = pool
        self._noticed = noticed
        self._clock = clock
        self._observer = observer
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.collisions = 0

    async def transact(self, work: Work[T], *, side_by_side: bool) -> T:
        """Run `work` until it is committed. Cancelling the caller does not take the write back."""
        return await self._begin(work, _SIDE_BY_SIDE if side_by_side else _SERIALIZABLE)

    async def transact_briefly(self, work: Work[T]) -> T:
        """As `transact` side by side, but others may have its rows before they are on disk.

        It returns when they are. Whoever builds on them commits behind them,
        so nothing of theirs is on disk without ours.
        """
        return await self._begin(work, _BRIEFLY)

    async def _begin(self, work: Work[T], begin: str) -> T:
        refuse_nested()
        if self._closed:
            raise StoreUnavailable("the store is closed")
        task = asyncio.create_task(self._run(work, begin))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Take on nothing more, and wait for what was begun."""
        self._closed = True
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have been cancelled: nobody else asks

    async def _run(self, work: Work[T], begin: str) -> T:
        _working.set(asyncio.current_task())
        collisions = losses = 0
        while True:
            try:
                return await self._run_once(work, begin)
            except Collided:
                self.collisions += 1
                collisions += 1
                if collisions == TRIES:
                    raise
                await asyncio.sleep(_pause(collisions))
            except _LostBeforeCommit as lost:
                losses += 1
                if losses == TRIES_WHEN_LOST:
                    self._noticed(lost.said)
                    raise lost.said from lost
            except StoreFault as fault:
                self._noticed(fault)
                raise

    async def _run_once(self, work: Work[T], begin: str) -> T:
        async with self._pool.lend() as connection:
            tx = PostgresTransaction(connection)
            try:
                await connection.execute(begin)
                value = await Driven(work, tx)
                if tx.failure is not None:
                    raise tx.failure
                await tx.write_down()
            except BaseException as error:
                await _roll_back(connection)
                meaning = _meaning(error, tx.failure)
                if meaning is error:
                    raise
                raise meaning from error
            finally:
                tx.end()
            await self._commit(connection, is_brief=begin == _BRIEFLY)
            return value

    async def _commit(self, connection: Any, *, is_brief: bool) -> None:
        started = self._clock.monotonic()
        try:
            status: str = await connection.execute("commit")
            if is_brief:
                await connection.execute(_FLUSH)
        except BaseException as error:
            await _roll_back(connection)
            raise from_postgres(error) from error
        if status != "COMMIT":  # the server rolls a failed transaction back, and calls that no error
            raise StoreUnavailable(f"the write was not committed: {status}")
        self._tell_observer(self._clock.monotonic() - started)

    def _tell_observer(self, seconds: float) -> None:
        """What was committed stays committed, whatever an observer makes of it."""
        if self._observer is None:
            return
        try:
            self._observer.committed(1, seconds)
        except Exception:
            logger.exception("an observer of commits failed")


class _LostBeforeCommit(StoreFault):
    """The connection went while nothing was committed yet: the work may be run again."""

    def __init__(self, said: StoreFault) -> None:
        super().__init__(said.fault, said.why)
        self.said = said


def _meaning(error: BaseException, failure: BaseException | None) -> BaseException:
    """What to make of a work that raised `error`; `failure` is what the engine had said before."""
    for said in (failure, from_postgres(error)):
        if isinstance(said, Collided):  # whatever the work made of it
            return said
        if isinstance(said, StoreFault) and is_lost(said):
            return _LostBeforeCommit(said)
    return from_postgres(error)


async def _roll_back(connection: Any) -> None:
    """End the transaction; a connection of which that cannot be had is ended itself."""
    try:
        if not connection.is_closed() and connection.is_in_transaction():
            await connection.execute("rollback")
    except Exception:
        with contextlib.suppress(asyncpg.InterfaceError):  # the pool has let go of it already
            connection.terminate()


def _pause(collisions: int) -> float:
    """Longer with each, and never the same for two that met."""
    longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (collisions - 1))
    return random.uniform(0.5, 1.0) * longest
