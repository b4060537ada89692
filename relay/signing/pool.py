"""Run signatures in threads, several to a hop when several wait.

A hop to a thread costs the loop about a tenth of an RSA signature, so while
every thread is busy work is gathered, and the next free thread takes its
share of all that waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

Work: TypeAlias = Callable[[], bytes]
_Results: TypeAlias = "list[bytes] | Exception"

_LARGEST_SHARE = 32  # bounds how long the first of a share waits for the last


class _Job(NamedTuple):
    works: list[Work]
    done: "asyncio.Future[list[bytes]]"


class SigningPool:
    """Threads for short, pure computations; used from one event loop."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="dkim")
        self._waiting: deque[_Job] = deque()
        self._busy = 0

    async def run(self, works: list[Work]) -> list[bytes]:
        """The results of all `works`, in order; an exception of one is raised."""
        done: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(works, done))
        self._start()
        return await done

    def close(self) -> None:
        """Finish what runs, cancel what waits. Nothing is asked for afterwards."""
        while self._waiting:
            self._waiting.popleft().done.cancel()
        self._executor.shutdown(wait=True)

    def _start(self) -> None:
        while self._waiting and self._busy < self._threads:
            share = min(_LARGEST_SHARE, -(-len(self._waiting) // (self._threads - self._busy)))
            jobs = [self._waiting.popleft() for _ in range(share)]
            self._busy += 1
            hop = asyncio.get_running_loop().run_in_executor(
                self._executor, _run, [job.works for job in jobs]
            )
            hop.add_done_callback(lambda hop, jobs=jobs: self._settle(jobs, hop))  # type: ignore[misc]

    def _settle(self, jobs: list[_Job], hop: "asyncio.Future[list[_Results]]") -> None:
        self._busy -= 1
        if hop.cancelled():
            for job in jobs:
                job.done.cancel()
            return
        for job, result in zip(jobs, hop.result(), strict=True):
            if job.done.done():
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)
        self._start()


def _run(jobs: list[list[Work]]) -> list[_Results]:
    results: list[_Results] = []
    for works in jobs:
        try:
            results.append([work() for work in works])
        except Exception as error:  # handed to the one who waits for it
            results.append(error)
    return results
