"""A large message streams; a server that answers early, stops reading or hangs up halfway is understood."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from relay.delivery.content import send_pieces
from relay.delivery.outcome import Fate, Phase, Scope
from relay.delivery.parcel import Wire
from relay.delivery.protocol import ReplyReader
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import HEADER, Station, parcel, wire

LINE = b"x" * 998 + b"\r\n"
MEBIBYTE = 1024 * 1024


@dataclass
class LargeBody:
    """A body that is made while it is read."""

    lines: int
    read: int = 0

    @property
    def size(self) -> int:
        return self.lines * len(LINE)

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        for start in range(0, self.lines, 64):
            self.read = min(start + 64, self.lines)
            yield LINE * (self.read - start)


def large(mebibytes: int) -> LargeBody:
    return LargeBody(mebibytes * MEBIBYTE // len(LINE))


async def test_a_large_body_arrives_whole(station: Station, mx: FarMx) -> None:
    body = large(8)
    (outcome,) = await station.send(parcel(content=Wire(HEADER, body)))
    assert outcome.fate is Fate.DELIVERED
    assert len(mx.received[0].content) == len(HEADER) + 2 + body.size


async def test_a_server_that_does_not_read_makes_us_wait_with_little_in_memory(
    station: Station, mx: FarMx
) -> None:
    station.is_in_a_hurry()
    body = large(25)
    mx.stops_reading_content()
    tracemalloc.start()
    try:
        (outcome,) = await station.send(parcel(content=Wire(HEADER, body)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    mx.reads_on()
    assert (outcome.fate, outcome.scope, outcome.phase) == (Fate.DEFERRED, Scope.SESSION, Phase.CONTENT)
    assert not outcome.ambiguous
    assert body.read < body.lines
    assert peak < 6 * MEBIBYTE


async def test_the_content_as_a_whole_has_its_time(station: Station, mx: FarMx) -> None:
    """A server that takes a little now and then does not hold us for ever."""
    mx.hides("SIZE")
    mx.reads_slowly(every=0.005)
    station.set(timeouts=replace(station.settings.timeouts, block=0.8, slowest=1e12))
    (outcome,) = await station.send(parcel(content=Wire(HEADER, large(100))))
    assert (outcome.fate, outcome.phase, outcome.reply.enhanced) == (Fate.DEFERRED, Phase.CONTENT, "4.4.2")


@pytest.mark.parametrize(
    ("answer", "fate", "scope"),
    [
        ("552 5.3.4 too big", Fate.BOUNCED, Scope.MESSAGE),
        ("451 4.3.0 disk", Fate.DEFERRED, Scope.MESSAGE),
        ("421 4.3.2 going down", Fate.DEFERRED, Scope.SESSION),
        ("250 2.0.0 ok", Fate.DEFERRED, Scope.SESSION),
    ],
)
async def test_an_early_answer_is_heard_and_an_early_yes_is_not_believed(
    station: Station, mx: FarMx, answer: str, fate: Fate, scope: Scope
) -> None:
    mx.cuts_content(10_000, answer)
    made = await station.attempt(parcel(content=Wire(HEADER, large(25))))
    (outcome,) = made.outcomes
    assert (outcome.fate, outcome.scope, outcome.ambiguous) == (fate, scope, False)
    assert made.kept is None
    assert mx.received == []


@pytest.mark.parametrize("answer", [b"554 5.6.0 no\r\n", b"250 2.0.0 ok\r\n", b"?\r\n"])
async def test_a_small_message_is_not_finished_either_once_it_is_answered(answer: bytes) -> None:
    written = bytearray()

    class Line(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.extend(data)

        def is_closing(self) -> bool:
            return False

    protocol = ReplyReader()
    protocol.connection_made(Line())
    asyncio.get_running_loop().call_soon(protocol.data_received, answer)
    assert not await send_pieces(protocol, [b"Subject: x\r\n\r\n", b".\r\n"], 1.0)
    assert written == b""


async def test_a_server_that_hangs_up_amid_the_content_does_not_have_the_message(
    station: Station, mx: FarMx
) -> None:
    mx.cuts_content(10_000)
    (outcome,) = await station.send(parcel(content=Wire(HEADER, large(25))))
    assert (outcome.fate, outcome.scope, outcome.ambiguous) == (Fate.DEFERRED, Scope.SESSION, False)


async def test_damaged_content_is_never_finished(
    station: Station, mx: FarMx, caplog: pytest.LogCaptureFixture
) -> None:
    (outcome,) = await station.send(parcel(content=wire(b"a\n.\nMAIL FROM:<>\r\n")))
    assert (outcome.fate, outcome.scope, outcome.reply.code) == (Fate.DEFERRED, Scope.MESSAGE, 451)
    assert (outcome.ambiguous, mx.received) == (False, [])
    assert "stands alone" in caplog.text


async def test_a_body_that_cannot_be_read_is_our_trouble_and_not_the_hosts(
    station: Station, mx: FarMx, caplog: pytest.LogCaptureFixture
) -> None:
    class Gone(LargeBody):
        def chunks(self, size: int = 65536) -> Iterator[bytes]:
            yield LINE
            raise FileNotFoundError("bodies/1")

    (outcome,) = await station.send(parcel(content=Wire(HEADER, Gone(1))))
    assert (outcome.fate, outcome.scope, outcome.reply.code) == (Fate.DEFERRED, Scope.MESSAGE, 451)
    assert "bodies/1" not in str(outcome)
    assert mx.received == []


async def test_a_missing_last_line_end_is_supplied(station: Station, mx: FarMx) -> None:
    await station.send(parcel(content=wire(b"no end")))
    assert mx.received[0].content == HEADER + b"\r\nno end\r\n"


async def test_control_octets_in_the_body_arrive(station: Station, mx: FarMx) -> None:
    body = bytes(octet for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n"
    await station.send(parcel(content=wire(body, is_8bit=True)))
    assert mx.received[0].content == HEADER + b"\r\n" + body
