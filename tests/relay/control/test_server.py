"""The socket: who may use it, what it survives, and what becomes of calls when somebody hangs up."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay.config import build_config
from relay.control import client
from relay.control.address import CannotListen
from relay.control.client import NoDaemon
from relay.control.operations.domains import AddDomain, NamedDomain
from relay.control.operations.events import Tail
from relay.control.operations.mailboxes import AddMailbox, NamedMailbox
from relay.control.reach import perform
from relay.control.registry import Nothing
from relay.control.server import CALLS, CONNECTIONS, ControlServer, control_server
from relay.control.wire import REQUEST_LIMIT, socket_path
from relay.errors import AlreadyExists, InvalidInput, NotFound, PosthouseError, Refusal
from relay.station import Station, open_station
from relay.store.faults import StoreOwned
from tests.fakes.clock import FakeClock


@pytest.fixture
async def server(station: Station) -> AsyncIterator[ControlServer]:
    async with control_server(station) as server:
        yield server


@pytest.fixture
def asked(server: ControlServer, data_dir: Path) -> Any:
    """Ask over the socket."""

    async def ask(name: str, arguments: msgspec.Struct | None = None) -> Any:
        return await client.call(data_dir, name, arguments or Nothing())

    return ask


async def talk(data_dir: Path, octets: bytes) -> bytes:
    """Send these octets, and read until the other side has ended."""
    reader, writer = await asyncio.open_unix_connection(str(socket_path(data_dir)))
    writer.write(octets)
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_only_we_may_use_it(server: ControlServer, data_dir: Path) -> None:
    facts = socket_path(data_dir).stat()

    assert stat.S_ISSOCK(facts.st_mode)
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert [each.name for each in data_dir.glob(".control*")] == []


async def test_it_is_gone_afterwards(station: Station, data_dir: Path) -> None:
    async with control_server(station):
        assert socket_path(data_dir).exists()

    assert not socket_path(data_dir).exists()
    with pytest.raises(NoDaemon):
        await client.call(data_dir, "stats", Nothing())


async def test_a_socket_that_nobody_listens_at_is_replaced(station: Station, data_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(socket_path(data_dir)))

    with pytest.raises(NoDaemon):
        await client.call(data_dir, "stats", Nothing())
    async with control_server(station):
        assert (await client.call(data_dir, "stats", Nothing()))["daemon"] is True


async def test_a_file_that_is_no_socket_is_left_alone(station: Station, data_dir: Path) -> None:
    socket_path(data_dir).write_text("mine")

    with pytest.raises(CannotListen, match="is no socket"):
        async with control_server(station):
            pass

    assert socket_path(data_dir).read_text() == "mine"


async def test_a_long_path_is_reached_all_the_same(tmp_path: Path, clock: FakeClock) -> None:
    data_dir = tmp_path / ("d" * 100) / ("e" * 100)
    config = build_config({"server.data_dir": str(data_dir), "store.min_free": "0B"}, base=tmp_path)

    async with open_station(config, clock) as station, control_server(station):
        assert stat.S_IMODE(socket_path(data_dir).stat().st_mode) == 0o600
        assert (await client.call(data_dir, "stats", Nothing()))["daemon"] is True
        station.directory.close()

    assert not socket_path(data_dir).exists()


async def test_an_operation_answers_as_it_does_here(asked: Any) -> None:
    added = await asked("domain.add", AddDomain(name="example.test", assume_verified=True))

    assert added["status"] == "verified"
    made = await asked("mailbox.add", AddMailbox(address="a@example.test"))
    assert made["smtp_password"].startswith("phs_")


async def test_errors_keep_their_kind_and_text(asked: Any) -> None:
    await asked("domain.add", AddDomain(name="example.test"))

    with pytest.raises(AlreadyExists, match=r"example\.test is here already"):
        await asked("domain.add", AddDomain(name="example.test"))
    with pytest.raises(InvalidInput, match="is no address"):
        await asked("mailbox.add", AddMailbox(address="nobody"))
    with pytest.raises(NotFound, match="no mailbox"):
        await asked("mailbox.show", NamedMailbox(mailbox="a@example.test"))
    await asked("mailbox.add", AddMailbox(address="a@example.test"))
    with pytest.raises(Refusal, match="has 1 mailboxes"):
        await asked("domain.remove", NamedDomain(name="example.test"))


@pytest.mark.parametrize(
    "octets",
    [
        b"\n",
        b"\xff\xfe\x00\n",
        b"EHLO there\r\n",
        b"[]\n",
        b'{"call": 5}\n',
        b'{"call": "stats", "more": 1}\n',
        b'{"call": "no.such"}\n',
        b'{"call": "__class__"}\n',
        b'{"call": "mailbox.show", "arguments": {"mailbox": 5}}\n',
        b'{"call": "mailbox.show", "arguments": {"mailbox": "a", "more": 1}}\n',
        b'{"call": "mailbox.show", "arguments": {"mailbox": "\\u0000@x"}}\n',
        b'{"call": "event.last", "arguments": {"lines": 99999999}}\n',
        b"[" * 100_000 + b"\n",
        b"x" * (REQUEST_LIMIT + 10),
    ],
)
async def test_nothing_that_is_sent_ends_the_daemon(asked: Any, data_dir: Path, octets: bytes) -> None:
    answer = await talk(data_dir, octets)

    if answer:
        told = msgspec.json.decode(answer)["error"]
        assert told["kind"] in ("invalid_input", "not_found")
        assert len(told["text"]) < 1000
    assert (await asked("stats"))["daemon"] is True


async def test_a_caller_that_says_nothing_is_sent_away(station: Station, data_dir: Path) -> None:
    async with control_server(station, request_time=timedelta(0)):
        answer = await talk(data_dir, b"")

    assert b"did not come in time" in answer


async def test_a_caller_that_hangs_up_in_the_middle_does_no_harm(asked: Any, data_dir: Path) -> None:
    _, writer = await asyncio.open_unix_connection(str(socket_path(data_dir)))
    writer.write(b'{"call": "sta')
    writer.close()
    await writer.wait_closed()

    assert (await asked("stats"))["daemon"] is True


async def test_callers_that_say_nothing_keep_no_command_waiting(asked: Any, data_dir: Path) -> None:
    path = str(socket_path(data_dir))
    silent = [await asyncio.open_unix_connection(path) for _ in range(CONNECTIONS - 1)]

    assert (await asked("stats"))["daemon"] is True
    for _, writer in silent:
        writer.close()


async def test_every_caller_that_says_nothing_is_sent_away_however_many_there_are(
    station: Station, data_dir: Path
) -> None:
    path = str(socket_path(data_dir))
    async with control_server(station, request_time=timedelta(milliseconds=100)):
        silent = [await asyncio.open_unix_connection(path) for _ in range(CONNECTIONS + 8)]
        told = [await reader.read() for reader, _ in silent]
        assert all(b"too many commands" in each or b"did not come in time" in each for each in told)
    for _, writer in silent:
        writer.close()


async def test_too_many_calls_at_work_are_told_so(asked: Any, data_dir: Path) -> None:
    await asked("domain.add", AddDomain(name="example.test"))
    tails = [client.stream(data_dir, "event.tail", Tail(lines=1)) for _ in range(CALLS)]
    for tail in tails:
        await anext(tail)
    with pytest.raises(PosthouseError, match="too many commands"):
        await asked("stats")

    await tails.pop().aclose()
    answered = None
    while answered is None:
        with contextlib.suppress(PosthouseError):  # until it is noticed to be gone
            answered = await asked("stats")
    for tail in tails:
        await tail.aclose()


async def test_too_many_callers_are_told_so(asked: Any, data_dir: Path) -> None:
    path = str(socket_path(data_dir))
    waiting = [await asyncio.open_unix_connection(path) for _ in range(CONNECTIONS)]
    with pytest.raises(PosthouseError, match="too many commands"):
        await asked("stats")

    for _, writer in waiting:
        writer.close()
        await writer.wait_closed()
    answered = None
    while answered is None:
        with contextlib.suppress(PosthouseError):  # until the last of them is noticed to be gone
            answered = await asked("stats")


async def test_what_was_begun_is_finished_when_the_caller_hangs_up(asked: Any, data_dir: Path) -> None:
    _, writer = await asyncio.open_unix_connection(str(socket_path(data_dir)))
    writer.write(b'{"call": "domain.add", "arguments": {"name": "example.test"}}\n')
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    while not await asked("domain.list"):
        pass  # each look is a whole round over the socket


async def test_a_tail_tells_what_happens_while_it_listens(asked: Any, data_dir: Path) -> None:
    events = client.stream(data_dir, "event.tail", Tail(kinds=("domain",), lines=0))
    first: asyncio.Future[Any] = asyncio.ensure_future(anext(events))
    await asked("stats")
    await asked("domain.add", AddDomain(name="example.test"))
    # It may have begun behind the first one.
    await asked("domain.add", AddDomain(name="two.test"))

    event = await first

    assert event["kind"] == "domain.created"
    await events.aclose()


async def test_a_tail_ends_when_its_listener_hangs_up_and_when_the_daemon_stops(
    station: Station, data_dir: Path
) -> None:
    async with control_server(station) as server:
        events = client.stream(data_dir, "event.tail", Tail(lines=1))
        other = client.stream(data_dir, "event.tail", Tail(lines=1))
        await client.call(data_dir, "domain.add", AddDomain(name="example.test"))
        await anext(events)
        await anext(other)
        assert len(server._streams) == 2
        await other.aclose()
        while len(server._streams) > 1:
            await client.call(data_dir, "stats", Nothing())

    assert [event async for event in events] == []


async def test_progress_is_told_along_the_way(asked: Any, data_dir: Path, tmp_path: Path) -> None:
    from relay.control.operations.store import BackUp

    told: list[tuple[str, int, int]] = []

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    made = await client.call(data_dir, "store.backup", BackUp(file=str(tmp_path / "b.tar")), progress)
    await client.call(data_dir, "store.verify", Nothing(), progress)

    assert (tmp_path / "b.tar").stat().st_size == made["size"]
    assert told[0][:2] == ("backup", 0)
    assert told[-1] == ("done", 13, 13)


async def test_a_store_whose_owner_does_not_answer_is_named(station: Station) -> None:
    with pytest.raises(StoreOwned, match="is in use by process"):
        await perform(station.config, "stats", Nothing(), patience=timedelta(0))
