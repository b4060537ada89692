"""A few threads that only read, each on a connection that cannot write or checkpoint.

Every answer is one statement over the newest committed state, read to its end.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from relay.errors import StoreUnavailable
from relay.store.database import Value
from relay.store.faults import Fault, StoreFault
from relay.store.futures import Pending, hand_back

Fetch = Callable[[sqlite3.Connection, str, Sequence[Value]], Any]


class _Question(Pending):
    __slots__ = ("args", "fetch", "sql")

    def __init__(self, fetch: Fetch, sql: str, args: Sequence[Value]) -> None:
        super().__init__()
        self.fetch = fetch
        self.sql = sql
        self.args = args


class Readers:
    """Owns the connections, one thread for each, from construction to `close`."""

    def __init__(
        self, connections: Sequence[sqlite3.Connection], noticed: Callable[[StoreFault], None]
    ) -> None:
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

    def close(self) -> None:
        """Answer what was asked, then close the connections. Blocks until that is done."""
        with self._gate:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._queue.put(None)
        for thread in self._threads:
            thread.join()

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
