"""Latency at a light load: twenty messages a second, each on a connection of its own, at a fixed pace."""

import asyncio
import statistics
from dataclasses import dataclass
from pathlib import Path

from bench.peers.arrivals import Arrivals, arrivals
from bench.peers.cases import SIZES, Delay
from bench.peers.contender import Contender
from bench.peers.load import RECIPIENT, fresh
from relay.clock import SystemClock
from tests.fakes.daemon import APPLICATION

CLOCK = SystemClock()
A_SECOND = 20
_WARM_UP = 40
_BODY = f"{'X' * 78}\r\n" * (SIZES["4 KB"] // 80)


@dataclass(frozen=True, slots=True)
class _Handed:
    """Monotonic seconds: when the final dot was written, and when the 250 was read."""

    ended: float
    accepted: float


async def measure_delay(contender: Contender, base: Path, messages: int) -> Delay:
    """On a fresh server, after a short warm-up at the same pace."""
    async with arrivals() as noted, fresh(contender, base, noted.port, 10) as (server, _):
        await _at_pace(server.port, 0, _WARM_UP)
        await noted.reach(_WARM_UP)
        handed = await _at_pace(server.port, _WARM_UP, messages)
        await noted.reach(_WARM_UP + messages)
    return _delay(handed, noted)


async def _at_pace(port: int, first: int, count: int) -> dict[int, _Handed]:
    """Hand in messages numbered from `first`, one each twentieth of a second."""
    began, under_way = CLOCK.monotonic(), []
    for at in range(count):
        await asyncio.sleep(max(0.0, began + at / A_SECOND - CLOCK.monotonic()))
        under_way.append(asyncio.create_task(_hand_in(port, first + at)))
    async with asyncio.timeout(60):
        return dict(enumerate(await asyncio.gather(*under_way), start=first))


async def _hand_in(port: int, number: int) -> _Handed:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    header = (
        f"From: <{APPLICATION}>\r\nTo: <{RECIPIENT}>\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
        f"Subject: latency\r\nMessage-ID: <{number}@load.test>\r\n\r\n"
    )
    ended = 0.0
    for line, expected in (
        ("", b"220"),
        ("EHLO load.test\r\n", b"250"),
        (f"MAIL FROM:<{APPLICATION}>\r\n", b"250"),
        (f"RCPT TO:<{RECIPIENT}>\r\n", b"250"),
        ("DATA\r\n", b"354"),
        (f"{header}{_BODY}.\r\n", b"250"),
    ):
        ended = CLOCK.monotonic()
        writer.write(line.encode())
        while (reply := await reader.readline())[3:4] == b"-":
            pass
        if not reply.startswith(expected):
            raise RuntimeError(f"{line[:40]!r} was answered {reply!r}")
    handed = _Handed(ended, CLOCK.monotonic())
    writer.write(b"QUIT\r\n")
    await reader.readline()
    writer.close()
    return handed


def _delay(handed: dict[int, _Handed], noted: Arrivals) -> Delay:
    answer = [(one.accepted - one.ended) * 1000 for one in handed.values()]
    onward = [(noted.seen[number] - one.accepted) * 1000 for number, one in handed.items()]
    whole = [(noted.seen[number] - one.ended) * 1000 for number, one in handed.items()]
    return Delay(*_middle_and_end(answer), *_middle_and_end(onward), *_middle_and_end(whole))


def _middle_and_end(times: list[float]) -> tuple[float, float]:
    end = statistics.quantiles(times, n=100)[-1] if len(times) > 1 else times[0]
    return statistics.median(times), end
