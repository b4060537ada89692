"""One load on one fresh server: rates, CPU, memory."""

import asyncio
import os
import resource
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.peers.cases import SIZES, Case, Result
from bench.peers.contender import Contender, Server, find, free_port
from bench.peers.expense import Expense, counting
from bench.process import Peak, Sink, cpu_seconds
from relay.clock import SystemClock
from tests.fakes.daemon import APPLICATION

CLOCK = SystemClock()
RECIPIENT = "ann@far.example"
_TICK = os.sysconf("SC_CLK_TCK")
_CORES = len(os.sched_getaffinity(0))
_STUCK = 300.0


@asynccontextmanager
async def fresh(
    contender: Contender, base: Path, sink_port: int, sessions: int
) -> AsyncIterator[tuple[Server, Expense]]:
    """The contender with empty files, counted from its first message; nothing of it stays behind."""
    directory = Path(tempfile.mkdtemp(prefix="posthouse-peers-", dir=base))
    directory.chmod(0o755)  # Postfix and OpenDKIM look in as users of their own
    try:
        with counting("server") as account:
            async with contender.running(directory, sink_port, sessions) as server:
                account.enter(server.roots)
                yield server, account
    finally:
        shutil.rmtree(directory)


async def measure(contender: Contender, case: Case, base: Path) -> Result:
    """Warm it up, then hand in the case's messages and wait until all have come out and it rests."""
    sink = await Sink.start(free_port())
    try:
        async with fresh(contender, base, sink.port, case.sessions) as (server, account):
            await _pass(server, sink, case, min(case.messages, max(50, 2 * case.sessions)))
            await _rests(account)
            return await _measured(server, sink, case, account)
    finally:
        await sink.stop()


async def hand_in(port: int, case: Case, messages: int) -> None:
    """smtp-source's load, until the last 250; RuntimeError when any other answer came."""
    program = find("smtp-source")
    assert program is not None
    command = [program, "-s", str(min(case.sessions, messages)), "-l", str(SIZES[case.size])]
    command += ["-m", str(messages), "-f", APPLICATION, "-t", RECIPIENT, "-M", "load.test"]
    command += [*(["-d"] if case.reuse else []), f"127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(_STUCK):
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise RuntimeError(f"smtp-source ended with {code}")


async def _measured(server: Server, sink: Sink, case: Case, account: Expense) -> Result:
    began, busy, load, cpu = CLOCK.monotonic(), _machine_seconds(), _load_seconds(sink), account.seconds()
    async with Peak(server.roots) as peak:
        accepted_in, delivered_in = await _pass(server, sink, case, case.messages)
        rest = await _rests(account)
    cpu = account.seconds() - cpu
    others = _machine_seconds() - busy - (_load_seconds(sink) - load) - cpu
    return Result(
        accepted=case.messages / accepted_in,
        delivered=case.messages / delivered_in,
        cpu=cpu * 1000 / case.messages,
        memory=peak.megabytes,
        rest=rest,
        others=max(0.0, others / (_CORES * (CLOCK.monotonic() - began))),
    )


async def _pass(server: Server, sink: Sink, case: Case, messages: int) -> tuple[float, float]:
    """Seconds until the last 250, and until the sink has counted the last."""
    wanted, began = sink.taken + messages, CLOCK.monotonic()
    delivered = asyncio.create_task(sink.takes(wanted, limit=_STUCK))
    try:
        await hand_in(server.port, case, messages)
        accepted_in = CLOCK.monotonic() - began
        await delivered
    except TimeoutError as error:
        raise RuntimeError(f"{wanted - sink.taken} of {messages} messages did not arrive") from error
    finally:
        delivered.cancel()
        await asyncio.gather(delivered, return_exceptions=True)
    return accepted_in, CLOCK.monotonic() - began


async def _rests(account: Expense, limit: float = 60) -> float:
    """Wait until the server uses less than a twentieth of a core; seconds from now until it first did."""
    began, before = CLOCK.monotonic(), account.seconds()
    while (since := CLOCK.monotonic()) - began < limit:
        await asyncio.sleep(0.4)
        now = account.seconds()
        if now - before < 0.05 * (CLOCK.monotonic() - since):
            return since - began
        before = now
    return limit


def _machine_seconds() -> float:
    """What all cores have worked since boot: user, nice, system, interrupts; not idle, waiting, or stolen."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(numbers[at] for at in (0, 1, 2, 5, 6)) / _TICK


def _load_seconds(sink: Sink) -> float:
    """Of the sink, of ourselves, and of the loads that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return cpu_seconds(sink.process.pid) + sum(one.ru_utime + one.ru_stime for one in used)
