"""Who only reads: a few threads, each on a connection that cannot write or checkpoint, and the event loop.

Every answer is one statement over the newest committed state, read to its
end. Where an index leads to one row, it is read sooner than a thread could be asked.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from relay.errors import StoreUnavailable
from relay.store.database import Row, Value
from relay.store.faults import Fault, StoreFault
from relay.store.futures import Pending, hand_back
from relay.store.statements import fetch_one

Fetch = Callable[[sqlite3.Connection, str, Sequence[Value]], Any]


class _Question(Pending):
    __slots__ = ("args", "fetch", "sql")

    def __init__(self, fetch: Fetch, sql: str, args: Sequence[Value]) -> None:
        super().__init__()
        self.fetch = fetch
        self.sql = sql
        self.args = args


class Readers:
    """Owns the connections, one thread for each and one `at_once` for the loop, until `close`."""

    def __init__(
        self,
        connections: Sequence[sqlite3.Connection],
        at_once: sqlite3.Connection,
        noticed: Callable[[StoreFault], None],
    ) -> None:
        self._at_once = at_once
        self._noticed = noticed
        self._queue: SimpleQueue[_Question | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, args=(connection,), name=f"store-reader-{place}", daemon=True)
            for place, connection in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    async def fetch(self, fetch: Fetch, sql: str, args: Sequence[Value]) -> Any:
        question = _Question(fetch, sql, args)
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._queue.put(question)
        return await question.future

    async def look_up(self, sql: str, args: Sequence[Value]) -> Row | None:
        """One row, here and now; a thread is asked when that meets a lock or a fault, and says what it is."""
        with contextlib.suppress(Exception), self._gate:
            if not self._closed:
                return fetch_one(self._at_once, sql, args)
        row: Row | None = await self.fetch(fetch_one, sql, args)
        return row

    def close(self) -> None:
        """Answer what was asked, then close the connections. Blocks until that is done."""
        with self._gate:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._at_once.close()

    def _run(self, connection: sqlite3.Connection) -> None:
        while (question := self._queue.get()) is not None:
            try:
                question.value = question.fetch(connection, question.sql, question.args)
            except StoreFault as fault:
                question.error = self._meaning(fault, question)
            except BaseException as error:
                question.error = error
            hand_back((question,))
        connection.close()

    def _meaning(self, fault: StoreFault, question: _Question) -> Exception:
        if fault.fault is Fault.READ_ONLY:  # of this connection, not of the store
            return RuntimeError(f"a statement that writes needs a transaction: {question.sql}")
        if fault.fault in {Fault.DAMAGED, Fault.BROKEN}:
            self._noticed(fault)
        return fault
