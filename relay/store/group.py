"""One group of works: a transaction in which each has a savepoint, then one commit for all.

Which thread runs what is the writer's affair; here is what holds in either:
a work that fails keeps nothing and harms no other, and whatever the engine
does, every work ends with its value or an error that says so.
"""

import contextlib
import contextvars
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.failpoints import ARMED, reach
from relay.store.database import Work
from relay.store.faults import StoreFault, WorkSuspended, from_sqlite
from relay.store.futures import Pending
from relay.store.statements import SqliteTransaction

logger = logging.getLogger(__name__)

_LOCK_ASKED_AGAIN_AFTER = 0.01
_BUSY = sqlite3.SQLITE_BUSY
_here = threading.local()


class CommitObserver(Protocol):
    """Hears of every commit, from the writer's thread: keep it short."""

    def committed(self, works: int, seconds: float) -> None:
        """`works` transactions became durable together; COMMIT itself took `seconds`."""
        ...


class Job(Pending):
    """A work that somebody waits for."""

    __slots__ = ("context", "is_lengthy", "work")

    def __init__(self, work: Work[Any], *, is_lengthy: bool) -> None:
        super().__init__()
        self.work = work
        self.is_lengthy = is_lengthy
        self.context = contextvars.copy_context()


def refuse_nested() -> None:
    """Raise RuntimeError where a work is being run: it may only use the transaction that it has."""
    if getattr(_here, "works", False):
        raise RuntimeError("a transaction within a transaction")


class Groups:
    """Runs group after group on one connection, which is in autocommit mode between them."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        noticed: Callable[[StoreFault], None],
        observer: CommitObserver | None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._noticed = noticed
        self._observer = observer

    def run(self, jobs: Sequence[Job], patience: float | None = None) -> Sequence[Job]:
        """Run works until a transaction is left open; returns whose it is, to be committed.

        All of them have a value or an error afterwards, but for those that are
        returned: theirs counts when `commit` says so. A lock of another program
        is waited for `patience` seconds; without any it is raised, as
        OperationalError, before anything was run.
        """
        while jobs:
            try:
                self._begin(patience or 0)
            except BaseException as error:
                if patience is None and is_busy(error):
                    raise
                self.give_up(jobs, error)
                return ()
            jobs, rest = self._run_each(jobs)
            if jobs:
                return jobs
            jobs = rest
        return ()

    def _begin(self, patience: float) -> None:
        until = time.monotonic() + patience
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE").close()
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= until:
                    raise
            time.sleep(_LOCK_ASKED_AGAIN_AFTER)

    def _run_each(self, jobs: Sequence[Job]) -> tuple[Sequence[Job], Sequence[Job]]:
        """Those whose transaction is open, and those that are still to be run: one of the two is empty."""
        alone = len(jobs) == 1
        for place, job in enumerate(jobs):
            self._work(job, alone)
            if not self._connection.in_transaction:
                # SQLite gave the whole transaction up (disk full, I/O error), or a lone work failed.
                self._lose(jobs[: place + 1])
                return (), jobs[place + 1 :]
        return jobs, ()

    def _work(self, job: Job, alone: bool) -> None:
        """Run one work; in a group, inside its own savepoint."""
        connection = self._connection
        tx = SqliteTransaction(connection)
        _here.works = True
        try:
            if not alone:
                connection.execute("SAVEPOINT work")
            job.value = job.context.run(_drive, job.work, tx)
            tx.write_down()
            if not alone:
                connection.execute("RELEASE work")
        except BaseException as error:
            job.error = from_sqlite(error) if isinstance(error, sqlite3.Error) else error
            self._notice(job.error)
            self._undo(alone)
        finally:
            _here.works = False
            tx.end()

    def _undo(self, alone: bool) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK" if alone else "ROLLBACK TO work")
            if not alone:
                self._connection.execute("RELEASE work")

    def _lose(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if job.error is None:
                job.error = StoreUnavailable(
                    "the transaction was given up because of another write in its group"
                )

    def commit(self, jobs: Sequence[Job]) -> None:
        """Make the open transaction durable; if that fails, every one of `jobs` has an error."""
        if not jobs:
            return
        if ARMED:
            reach("store.statements")
        try:
            started = self._clock.monotonic()
            self._connection.execute("COMMIT").close()
        except BaseException as error:
            self.give_up(jobs, error)
        else:
            self._tell_observer(sum(job.error is None for job in jobs), self._clock.monotonic() - started)

    def _tell_observer(self, works: int, seconds: float) -> None:
        """What was committed stays committed, whatever an observer makes of it."""
        if self._observer is None:
            return
        try:
            self._observer.committed(works, seconds)
        except Exception:
            logger.exception("an observer of commits failed")

    def give_up(self, jobs: Sequence[Job], error: BaseException) -> None:
        """BEGIN or COMMIT failed: nothing of the group is kept."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            error = from_sqlite(error)
        self._notice(error)
        for job in jobs:
            job.error = job.error or _as_unavailable(error)

    def _notice(self, error: BaseException) -> None:
        if isinstance(error, StoreFault):
            self._noticed(error)


def is_busy(error: BaseException) -> bool:
    """Whether another program has the lock."""
    return isinstance(error, sqlite3.OperationalError) and (error.sqlite_errorcode & 0xFF) == _BUSY


def _as_unavailable(error: BaseException) -> StoreUnavailable:
    """An exception of its own for each caller: one that is raised twice gathers both tracebacks."""
    if isinstance(error, StoreFault):
        return StoreFault(error.fault, error.why)
    return StoreUnavailable(f"the write was not committed: {error!r}")


def _drive(work: Work[Any], tx: SqliteTransaction) -> Any:
    """Run `work` to its end here and now: whatever it awaits of `tx` never suspends."""
    steps: Any = work(tx).__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    if hasattr(steps, "close"):  # a coroutine's, which may have more to say on its way out
        steps.close()
    raise WorkSuspended(f"{work!r} awaited something other than its transaction")
