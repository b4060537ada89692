"""Children read mail within limits; what ends one fails one reading and no other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from inbound.authenticate.signatures import SignatureCheck, Signatures
from inbound.reading.bench import BenchClosed, ReadingBench, ReadingFailed
from inbound.reading.parsed import Parsed
from inbound.reading.tasks import ExtractPart, Parse, Separate
from relay.children import seat
from relay.errors import NotFound

MIB = 1 << 20
SMALL = Parse(b"Subject: small\r\n", b"text\r\n", None)


@pytest.fixture
async def bench() -> AsyncIterator[ReadingBench]:
    bench = ReadingBench()
    yield bench
    await bench.close()


@pytest.fixture
def never_read(tmp_path: Path) -> Iterator[str]:
    """A file that nobody reads to its end: a pipe whose writer does not write."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    yield str(path)
    for writer in _writers.pop(str(path), ()):
        os.close(writer)


_writers: dict[str, list[int]] = {}


async def begun(never_read: str) -> None:
    """The child has opened the pipe: before, nobody can write to it."""
    writer = await asyncio.to_thread(os.open, never_read, os.O_WRONLY)
    _writers.setdefault(never_read, []).append(writer)


async def test_a_child_starts_with_the_first_task_and_stays(bench: ReadingBench) -> None:
    assert bench.pids == []
    assert (await bench.ask(SMALL)).subject == "small"
    first = bench.pids
    assert (await bench.ask(SMALL)).text == "text\n"
    assert bench.pids == first
    assert len(first) == 1


async def test_a_body_is_read_from_its_file(bench: ReadingBench, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"from a file")
    file.chmod(0o400)
    assert (await bench.ask(Parse(b"", None, str(file)))).text == "from a file"
    assert (await bench.ask(ExtractPart(b"", None, str(file), 0))).content == b"from a file"
    with pytest.raises(NotFound):
        await bench.ask(ExtractPart(b"", None, str(file), 1))
    with pytest.raises(ReadingFailed, match="crash"):
        await bench.ask(Parse(b"", None, str(tmp_path / "missing")))


async def test_signatures_and_quotes_are_judged_in_the_child_too(bench: ReadingBench) -> None:
    check = SignatureCheck(b"From: a@b.test\r\n", b"x\r\n", None, keys={}, at=0)
    assert await bench.verify(check) == Signatures()
    separated = await bench.ask(Separate("new\n\n> old\n", None, None, None))
    assert separated.extracted_text.strip() == "new"


async def test_a_reading_without_end_fails_and_the_next_succeeds(never_read: str) -> None:
    bench = ReadingBench(seconds=0.5)
    try:
        with pytest.raises(ReadingFailed, match="time"):
            await bench.ask(Parse(b"", None, never_read))
        assert bench.pids == []
    finally:
        await bench.close()


async def test_a_child_that_dies_fails_its_reading_alone(bench: ReadingBench, never_read: str) -> None:
    reading = asyncio.create_task(bench.ask(Parse(b"", None, never_read)))
    await begun(never_read)
    os.kill(bench.pids[0], signal.SIGKILL)
    with pytest.raises(ReadingFailed, match="crash"):
        await reading
    assert (await bench.ask(SMALL)).subject == "small"


async def test_a_child_that_died_idle_is_replaced_unseen(bench: ReadingBench) -> None:
    await bench.ask(SMALL)
    [before] = bench.pids
    os.kill(before, signal.SIGKILL)
    assert (await bench.ask(SMALL)).subject == "small"
    assert bench.pids != [before]


@pytest.mark.parametrize("size", [150 * MIB, 300 * MIB])
async def test_memory_has_an_end(size: int, tmp_path: Path) -> None:
    file = tmp_path / "body"
    with file.open("wb") as sink:
        for _ in range(size // MIB):
            sink.write(b"QUJD" * (MIB // 4))
    bench = ReadingBench(memory=200 * MIB)
    try:
        with pytest.raises(ReadingFailed, match="memory"):
            await bench.ask(Parse(b"Content-Transfer-Encoding: base64\r\n", None, str(file)))
        assert (await bench.ask(SMALL)).subject == "small"
    finally:
        await bench.close()


async def test_a_question_that_a_child_has_no_memory_for_is_a_matter_of_memory() -> None:
    bench = ReadingBench(memory=100 * MIB)
    try:
        with pytest.raises(ReadingFailed, match="memory"):
            await bench.ask(Parse(b"", bytes(150 * MIB), None))
        assert (await bench.ask(SMALL)).subject == "small"
    finally:
        await bench.close()


async def test_a_child_is_succeeded_after_its_share_of_tasks(
    bench: ReadingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat, "MAX_TASKS", 2)
    await bench.ask(SMALL)
    [first] = bench.pids
    await bench.ask(SMALL)
    await bench.ask(SMALL)
    assert bench.pids != [first]


async def test_tasks_wait_their_turn_and_two_children_share_them() -> None:
    bench = ReadingBench(children=2)
    try:
        tasks = [Parse(b"Subject: %d\r\n" % number, b"", None) for number in range(50)]
        read = await asyncio.gather(*map(bench.ask, tasks))
        assert [parsed.subject for parsed in read] == [str(number) for number in range(50)]
        assert len(bench.pids) == 2
    finally:
        await bench.close()


async def test_a_child_has_none_of_our_secrets_descriptors_and_signals(
    bench: ReadingBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTHOUSE_SECRET", "hush")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        await bench.ask(SMALL)
        [pid] = bench.pids
        opened = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
        assert file.name not in opened
    assert b"hush" not in Path(f"/proc/{pid}/environ").read_bytes()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert (await bench.ask(SMALL)).subject == "small"
    assert bench.pids == [pid]


async def test_a_child_has_its_limits(bench: ReadingBench) -> None:
    await bench.ask(SMALL)
    limits = Path(f"/proc/{bench.pids[0]}/limits").read_text()
    [memory] = [line.split()[3] for line in limits.splitlines() if line.startswith("Max address space")]
    [seconds] = [line.split()[3] for line in limits.splitlines() if line.startswith("Max cpu time")]
    assert memory == str(512 * MIB)
    assert int(seconds) <= 20


async def test_who_gives_up_waiting_leaves_the_bench_usable(bench: ReadingBench, never_read: str) -> None:
    reading = asyncio.create_task(bench.ask(Parse(b"", None, never_read)))
    await begun(never_read)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (await bench.ask(SMALL)).subject == "small"


async def test_a_closed_bench_says_nothing_of_the_message(never_read: str) -> None:
    bench = ReadingBench()
    reading = asyncio.create_task(bench.ask(Parse(b"", None, never_read)))
    waiting = asyncio.create_task(bench.ask(SMALL))
    await begun(never_read)
    [pid] = bench.pids
    await bench.close()
    assert not Path(f"/proc/{pid}").exists()
    for each in (reading, waiting):
        with pytest.raises(BenchClosed):
            await each
    with pytest.raises(BenchClosed):
        await bench.ask(SMALL)


async def test_a_child_s_complaint_names_places_and_no_mail(
    bench: ReadingBench, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with pytest.raises(ReadingFailed):
        await bench.ask(Parse(b"Subject: private\r\n", None, str(tmp_path / "private")))
    await bench.close()
    assert "FileNotFoundError at" in caplog.text
    assert "private" not in caplog.text


async def test_what_waits_is_asked_together_and_answered_apart() -> None:
    bench = ReadingBench()
    try:
        good = [Parse(b"Subject: %d\r\n" % number, b"", None) for number in range(20)]
        absent = ExtractPart(b"", b"x", None, 7)
        *read, fault = await asyncio.gather(*map(bench.ask, good), bench.ask(absent), return_exceptions=True)
        assert [parsed.subject for parsed in read if isinstance(parsed, Parsed)] == list(map(str, range(20)))
        assert isinstance(fault, NotFound)
    finally:
        await bench.close()


async def test_only_the_guilty_one_of_those_asked_together_fails(never_read: str, tmp_path: Path) -> None:
    bench = ReadingBench(seconds=2)
    try:
        tasks = [SMALL, Parse(b"", None, never_read), SMALL, Parse(b"", None, str(tmp_path / "missing"))]
        first, endless, second, missing = await asyncio.gather(*map(bench.ask, tasks), return_exceptions=True)
        assert [each.subject for each in (first, second) if isinstance(each, Parsed)] == ["small", "small"]
        assert [str(each) for each in (endless, missing)] == ["time", "crash"]
    finally:
        await bench.close()


async def test_out_of_memory_fails_alone(tmp_path: Path) -> None:
    file = tmp_path / "body"
    with file.open("wb") as sink:
        for _ in range(300):
            sink.write(b"QUJD" * (MIB // 4))
    bench = ReadingBench(memory=200 * MIB)
    try:
        large = Parse(b"Content-Transfer-Encoding: base64\r\n", None, str(file))
        first, fault, second = await asyncio.gather(
            *map(bench.ask, (SMALL, large, SMALL)), return_exceptions=True
        )
        assert [each.subject for each in (first, second) if isinstance(each, Parsed)] == ["small", "small"]
        assert str(fault) == "memory"
    finally:
        await bench.close()


async def test_one_who_gives_up_takes_nothing_from_those_asked_together(
    bench: ReadingBench, never_read: str
) -> None:
    small = asyncio.create_task(bench.ask(SMALL))
    endless = asyncio.create_task(bench.ask(Parse(b"", None, never_read)))
    await begun(never_read)
    endless.cancel()
    for writer in _writers[never_read]:
        os.write(writer, b"x")
    for writer in _writers.pop(never_read):
        os.close(writer)
    assert (await small).subject == "small"
    with pytest.raises(asyncio.CancelledError):
        await endless
