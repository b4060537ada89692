"""Run signatures in threads, several to a hop when several wait.

A hop to a thread costs the loop about a twentieth of an RSA signature, so
while every thread is busy work is gathered, and the next free thread takes
its share of all that waits.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple, TypeAlias

Work: TypeAlias = Callable[[], bytes]
_Result: TypeAlias = "list[bytes] | Exception"

_LARGEST_SHARE = 32  # bounds how long the first of a share waits for the last


class _Job(NamedTuple):
    works: list[Work]
    done: "asyncio.Future[list[bytes]]"


class SigningPool:
    """Threads for short, pure computations, used from one event loop at a time; without any, it computes."""

    def __init__(self, threads: int) -> None:
        self._waiting: deque[_Job] = deque()
        self._shares: SimpleQueue[Sequence[_Job] | None] = SimpleQueue()
        self._busy = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"dkim_{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, works: list[Work]) -> list[bytes]:
        """The results of all `works`, in order; an exception of one is raised."""
        if not self._threads:
            return [work() for work in works]
        done: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(works, done))
        self._share_out()
        return await done

    def close(self) -> None:
        """Finish what runs, cancel what waits. Nothing is asked for afterwards."""
        while self._waiting:
            self._waiting.popleft().done.cancel()
        for _ in self._threads:
            self._shares.put(None)
        for thread in self._threads:
            thread.join()

    def _share_out(self) -> None:
        while self._waiting and self._busy < len(self._threads):
            share = min(_LARGEST_SHARE, -(-len(self._waiting) // (len(self._threads) - self._busy)))
            self._busy += 1
            self._shares.put([self._waiting.popleft() for _ in range(share)])

    def _work(self) -> None:
        while (jobs := self._shares.get()) is not None:
            results = [_result_of(job.works) for job in jobs]
            try:
                jobs[0].done.get_loop().call_soon_threadsafe(self._settle, jobs, results)
            except RuntimeError:  # that loop is closed: nobody waits there any more
                self._busy -= 1

    def _settle(self, jobs: Sequence[_Job], results: Sequence[_Result]) -> None:
        self._busy -= 1
        for job, result in zip(jobs, results, strict=True):
            if job.done.done():
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)
        self._share_out()


def _result_of(works: list[Work]) -> _Result:
    try:
        return [work() for work in works]
    except Exception as error:  # handed to the one who waits for it
        return error
