"""The one thread that writes: everything queued shares one commit.

A group is one BEGIN IMMEDIATE with a savepoint for each work, then COMMIT,
which returns when the log is on disk (WAL, synchronous=FULL); only then does
any caller hear of it. Nobody else writes or checkpoints: SQLite before 3.51.3
can damage the file when two connections do.
"""

import contextlib
import contextvars
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.store.database import Work
from relay.store.faults import StoreFault, WorkSuspended, from_sqlite
from relay.store.futures import Pending, hand_back
from relay.store.statements import SqliteTransaction

logger = logging.getLogger(__name__)

GROUP_LIMIT = 256


class CommitObserver(Protocol):
    """Hears of every commit, from the writer's thread: keep it short."""

    def committed(self, works: int, seconds: float) -> None:
        """`works` transactions became durable together; COMMIT itself took `seconds`."""
        ...


class _Job(Pending):
    __slots__ = ("context", "work")

    def __init__(self, work: Work[Any]) -> None:
        super().__init__()
        self.work = work
        self.context = contextvars.copy_context()


class _Errand:
    """Something to do with the connection outside of any transaction."""

    __slots__ = ("action", "result")

    def __init__(self, action: Callable[[sqlite3.Connection], Any]) -> None:
        self.action = action
        self.result: Future[Any] = Future()


_STOP = object()


class Writer:
    """Owns a connection in autocommit mode from construction to `close`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        *,
        noticed: Callable[[StoreFault], None],
        observer: CommitObserver | None = None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._noticed = noticed
        self._observer = observer
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def transact(self, work: Work[Any]) -> Any:
        """Run `work` in the next group. Cancelling the caller does not take the write back."""
        job = _Job(work)
        self._put(job)
        return await job.future

    def errand(self, action: Callable[[sqlite3.Connection], Any]) -> "Future[Any]":
        """Run `action` between groups, from any thread; sqlite3 errors come translated."""
        errand = _Errand(action)
        self._put(errand)
        return errand.result

    def close(self) -> None:
        """Finish what is queued, checkpoint, close the connection. Blocks until that is done."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(_STOP)
        self._thread.join()

    def _put(self, item: object) -> None:
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._queue.put(item)

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            group: list[_Job] = []
            while isinstance(item, _Job):
                group.append(item)
                item = self._next() if len(group) < GROUP_LIMIT else None
            if group:
                self._write(group)
            if isinstance(item, _Errand):
                self._do(item)
            elif item is _STOP:
                self._connection.close()
                return

    def _next(self) -> object:
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _do(self, errand: _Errand) -> None:
        try:
            errand.result.set_result(errand.action(self._connection))
        except sqlite3.Error as error:
            errand.result.set_exception(from_sqlite(error))
        except BaseException as error:
            errand.result.set_exception(error)

    def _write(self, group: Sequence[_Job]) -> None:
        rest = group
        while rest:
            try:
                rest = self._transaction(rest)
            except BaseException as error:  # the thread must live on, and nobody may wait for ever
                self._give_up(rest, error)
                rest = ()
        hand_back(group)

    def _transaction(self, jobs: Sequence[_Job]) -> Sequence[_Job]:
        """One commit of as many of `jobs` as it can be; returns those that are still to be run."""
        self._connection.execute("BEGIN IMMEDIATE").close()
        alone = len(jobs) == 1
        for place, job in enumerate(jobs):
            self._work(job, alone)
            if not self._connection.in_transaction:
                # SQLite gave the whole transaction up (disk full, I/O error), or a lone work failed.
                self._lose(jobs[: place + 1])
                return jobs[place + 1 :]
        self._commit(jobs)
        return ()

    def _work(self, job: _Job, alone: bool) -> None:
        """Run one work; in a group, inside its own savepoint."""
        connection = self._connection
        tx = SqliteTransaction(connection)
        try:
            if not alone:
                connection.execute("SAVEPOINT work")
            job.value = job.context.run(_drive, job.work, tx)
            if tx.failure is not None:
                raise tx.failure
            if not alone:
                connection.execute("RELEASE work")
        except BaseException as error:
            job.error = from_sqlite(error) if isinstance(error, sqlite3.Error) else error
            self._notice(job.error)
            self._undo(alone)
        finally:
            tx.end()

    def _undo(self, alone: bool) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK" if alone else "ROLLBACK TO work")
            if not alone:
                self._connection.execute("RELEASE work")

    def _lose(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if job.error is None:
                job.error = StoreUnavailable(
                    "the transaction was given up because of another write in its group"
                )

    def _commit(self, jobs: Sequence[_Job]) -> None:
        started = self._clock.monotonic()
        self._connection.execute("COMMIT").close()
        self._tell_observer(sum(job.error is None for job in jobs), self._clock.monotonic() - started)

    def _tell_observer(self, works: int, seconds: float) -> None:
        """What was committed stays committed, whatever an observer makes of it."""
        if self._observer is None:
            return
        try:
            self._observer.committed(works, seconds)
        except Exception:
            logger.exception("an observer of commits failed")

    def _give_up(self, jobs: Sequence[_Job], error: BaseException) -> None:
        """BEGIN or COMMIT failed: nothing of the group was kept."""
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
