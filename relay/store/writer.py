"""The one connection that writes: everything that waits shares one commit.

COMMIT returns when the log is on disk (WAL, synchronous=FULL); only then does
any caller hear of it. Nobody else writes or checkpoints: SQLite before 3.51.3
can damage the file when two connections do.

Statements take microseconds and run where the works come from, on the event
loop: a thread of their own would fight with it for the interpreter at each of
them. What may wait, for the disk or for a lock, waits in the writer's thread.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from queue import SimpleQueue
from typing import Any

from relay.clock import Clock
from relay.errors import StoreUnavailable
from relay.store.connections import write_log_back
from relay.store.database import Work
from relay.store.faults import StoreFault, from_sqlite
from relay.store.futures import hand_back
from relay.store.group import CommitObserver, Groups, Job, refuse_nested

GROUP_LIMIT = 128
# How long a work that is in no hurry waits for others to share a commit with.
COMPANY_SECONDS = 0.004
WORKS_UNTIL_WRITTEN_BACK = 100


class _Errand:
    """Something to do with the connection outside of any transaction."""

    __slots__ = ("action", "result")

    def __init__(self, action: Callable[[sqlite3.Connection], Any]) -> None:
        self.action = action
        self.result: Future[Any] = Future()


class Writer:
    """Owns a connection in autocommit mode, without a busy timeout of its own, until `close`.

    `patience` is how long a lock of another program is waited for. One turn
    follows the other: the statements of a group, on the loop or, if one of
    them is lengthy, in the thread; then its commit, always in the thread.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        clock: Clock,
        *,
        noticed: Callable[[StoreFault], None],
        observer: CommitObserver | None = None,
        patience: timedelta = timedelta(),
    ) -> None:
        self._connection = connection
        self._groups = Groups(connection, clock, noticed, observer)
        self._patience = patience.total_seconds()
        self._waiting: deque[Job | _Errand] = deque()
        self._gate = threading.Condition()
        self._closed = False
        self._busy = False
        self._awaits_company = False
        self._since_log_was_written = 0
        self._turn_on: asyncio.AbstractEventLoop | None = None
        self._chores: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._do_chores, name="store-writer", daemon=True)
        self._thread.start()

    async def transact(self, work: Work[Any], *, lengthy: bool = False, unhurried: bool = False) -> Any:
        """Run `work` in the next group. Cancelling the caller does not take the write back.

        One that is `unhurried` joins the next group that anybody asks for, or
        begins one after COMPANY_SECONDS.
        """
        refuse_nested()
        job = Job(work, is_lengthy=lengthy)
        self._put(job, unhurried=unhurried, here=job.loop)
        return await job.future

    def errand(self, action: Callable[[sqlite3.Connection], Any]) -> "Future[Any]":
        """Run `action` between groups, from any thread; sqlite3 errors come translated."""
        errand = _Errand(action)
        self._put(errand)
        return errand.result

    def close(self) -> None:
        """Finish what waits, checkpoint, close the connection. Blocks until that is done."""
        with self._gate:
            is_first, self._closed = not self._closed, True
            while self._busy and not self._is_left_alone():
                self._gate.wait(1.0)
        if is_first:
            self._chores.put(self._finish)
            self._chores.put(None)
        self._thread.join()

    def _finish(self) -> None:
        while self._waiting:
            self._do_first()
        self._connection.close()

    def _put(
        self,
        item: Job | _Errand,
        *,
        unhurried: bool = False,
        here: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._waiting.append(item)
            if self._busy and not self._is_left_alone():
                return
            if unhurried and isinstance(item, Job):
                if not self._awaits_company:
                    self._awaits_company = True
                    item.loop.call_later(COMPANY_SECONDS, self._go_alone)
                return
            self._busy = True
        self._next_turn(here)

    def _go_alone(self) -> None:
        """Nobody came whose group those that are in no hurry could join, or somebody did."""
        with self._gate:
            self._awaits_company = False
            if not self._waiting or self._closed or (self._busy and not self._is_left_alone()):
                return
            self._busy = True
        self._next_turn()

    def _is_left_alone(self) -> bool:
        """Whether the turn was to be taken on a loop that ended before it could."""
        return self._turn_on is not None and self._turn_on.is_closed()

    def _next_turn(self, here: asyncio.AbstractEventLoop | None = None) -> None:
        """Have a turn taken for what waits first: on its loop, or aside. `here` is the loop that says so."""
        first = self._waiting[0]
        if isinstance(first, Job) and not first.is_lengthy:
            self._turn_on = first.loop
            try:
                # Not at once: what else is asked for in this round of the loop shares the commit.
                if first.loop is here:
                    here.call_soon(self._turn)
                else:
                    first.loop.call_soon_threadsafe(self._turn)
                return
            except RuntimeError:  # that loop is closed: nobody waits there any more
                pass
        self._turn_on = None
        self._chores.put(self._turn_aside)

    def _turn(self) -> None:
        """On the loop: the statements of one group."""
        self._turn_on = None
        group = self._take_group()
        try:
            kept = self._groups.run(group)
        except sqlite3.OperationalError:  # locked
            self._chores.put(partial(self._write_aside, group))
        else:
            self._chores.put(partial(self._commit_aside, group, kept))

    def _do_chores(self) -> None:
        while (chore := self._chores.get()) is not None:
            chore()

    def _turn_aside(self) -> None:
        self._do_first()
        self._go_on()

    def _write_aside(self, group: Sequence[Job]) -> None:
        self._write(group)
        self._go_on()

    def _commit_aside(self, group: Sequence[Job], kept: Sequence[Job]) -> None:
        self._groups.commit(kept)
        hand_back(group)
        self._tidy_up(len(group))
        self._go_on()

    def _tidy_up(self, works: int) -> None:
        """Write the log back now and then while nobody waits, so that seldom anybody must."""
        self._since_log_was_written += works
        if self._since_log_was_written >= WORKS_UNTIL_WRITTEN_BACK and not self._waiting:
            write_log_back(self._connection)
            self._since_log_was_written = 0

    def _go_on(self) -> None:
        with self._gate:
            self._busy = bool(self._waiting)
            if not self._busy:
                self._gate.notify_all()
                return
        self._next_turn()

    def _do_first(self) -> None:
        """Here, in the thread: the errand or the group that waits first."""
        if isinstance(self._waiting[0], _Errand):
            self._run_errand(self._waiting.popleft())
        else:
            self._write(self._take_group(aside=True))

    def _take_group(self, *, aside: bool = False) -> list[Job]:
        group: list[Job] = []
        while self._waiting and len(group) < GROUP_LIMIT:
            first = self._waiting[0]
            if isinstance(first, _Errand) or (first.is_lengthy and not aside):
                break
            group.append(first)
            self._waiting.popleft()
        return group

    def _write(self, group: Sequence[Job]) -> None:
        self._groups.commit(self._groups.run(group, self._patience))
        hand_back(group)

    def _run_errand(self, errand: Any) -> None:
        try:
            errand.result.set_result(errand.action(self._connection))
        except sqlite3.Error as error:
            errand.result.set_exception(from_sqlite(error))
        except BaseException as error:
            errand.result.set_exception(error)
