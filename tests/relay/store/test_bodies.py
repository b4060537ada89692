"""A body is on disk before its row is, and a file goes only when no row needs it."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from relay.message.content import Body
from relay.store.bodies import ROW_LIMIT, BodyShelf, name_of
from tests.fakes.clock import FakeClock

ID = "msg_01hv0000000abcxyz"
NAME = f"yz/{ID}"
HOUR = timedelta(hours=1)


def in_memory(content: bytes) -> Body:
    return Body(content, None, len(content))


@pytest.fixture
def shelf(data_dir: Path, clock: FakeClock) -> BodyShelf:
    return BodyShelf(data_dir, clock)


def spooled(shelf: BodyShelf, content: bytes) -> Body:
    file = shelf.incoming / "spooled"
    file.write_bytes(content)
    return Body(None, file, len(content))


def made_at(shelf: BodyShelf, name: str, clock: FakeClock, ago: timedelta) -> None:
    at = (clock.now() - ago).timestamp()
    os.utime(shelf.path(name), (at, at))


async def known(*names: str) -> set[str]:
    return set(names)


async def test_a_small_body_stays_in_its_row(shelf: BodyShelf) -> None:
    assert await shelf.keep(in_memory(b"x" * ROW_LIMIT), ID) == (b"x" * ROW_LIMIT, None)
    assert list(shelf.names()) == []


async def test_a_small_body_in_a_file_is_taken_into_the_row(shelf: BodyShelf) -> None:
    assert await shelf.keep(spooled(shelf, b"hello\r\n"), ID) == (b"hello\r\n", None)
    assert list(shelf.names()) == []


@pytest.mark.parametrize("source", ["memory", "file"])
async def test_a_large_body_becomes_a_file(shelf: BodyShelf, source: str) -> None:
    content = os.urandom(ROW_LIMIT + 1)
    body = in_memory(content) if source == "memory" else spooled(shelf, content)
    data, name = await shelf.keep(body, ID)
    assert (data, name) == (None, NAME)
    assert await shelf.open(None, name) == (None, shelf.path(NAME))
    assert shelf.path(NAME).read_bytes() == content
    assert list(shelf.incoming.iterdir()) == ([] if source == "memory" else [body.file])


async def test_no_end_of_an_id_makes_a_file_look_like_an_object(shelf: BodyShelf) -> None:
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    for name in (name_of(f"msg_01hv0000000abc{first}{second}") for first in digits for second in digits):
        assert shelf.path(name).name == name.partition("/")[2]


async def test_one_body_can_be_kept_for_several_messages_and_outlives_each(shelf: BodyShelf) -> None:
    content = os.urandom(ROW_LIMIT + 1)
    body = spooled(shelf, content)
    assert body.file is not None
    _, first = await shelf.keep(body, "msg_first")
    _, second = await shelf.keep(body, "msg_second")
    body.file.unlink()
    again = Body(None, shelf.path(first or ""), len(content))
    _, third = await shelf.keep(again, "msg_third")
    await shelf.drop(first or "")
    for name in (second, third):
        assert shelf.path(name or "").read_bytes() == content


async def test_a_file_of_another_file_system_is_copied(shelf: BodyShelf) -> None:
    here = shelf.incoming.stat().st_dev
    places = [place for place in map(Path, ("/dev/shm", "/var/tmp")) if place.is_dir()]
    others = [place for place in places if place.stat().st_dev != here]
    if not others:
        pytest.skip("a second file system: /dev/shm and /var/tmp are that of the temporary directory")
    elsewhere = others[0] / f"posthouse-test-{os.getpid()}"
    elsewhere.write_bytes(b"y" * (ROW_LIMIT + 1))
    try:
        await shelf.keep(Body(None, elsewhere, ROW_LIMIT + 1), ID)
    finally:
        elsewhere.unlink()
    assert shelf.path(NAME).read_bytes() == b"y" * (ROW_LIMIT + 1)
    assert list(shelf.incoming.iterdir()) == []


async def test_the_file_and_the_names_above_it_are_synced_before_keep_returns(
    shelf: BodyShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watch(fd: int) -> None:
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), shelf.incoming.parent))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watch)
    await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), ID)
    assert synced == ["bodies", f"incoming/{ID}.body", "bodies/yz"]


@pytest.mark.parametrize("name", ["../posthouse.db", "yz/../../posthouse.db", "/etc/passwd", "yz/msg_\n", ""])
async def test_a_name_that_is_not_ours_is_refused(shelf: BodyShelf, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a body file"):
        shelf.path(name)


async def test_an_id_that_is_not_ours_makes_no_file(shelf: BodyShelf) -> None:
    with pytest.raises(ValueError, match="not an id"):
        await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), "../../msg_0000")


async def test_dropping_twice_is_fine(shelf: BodyShelf) -> None:
    _, name = await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), ID)
    assert await shelf.missing([NAME]) == []
    await shelf.drop(name or "")
    await shelf.drop(name or "")
    assert await shelf.missing([NAME]) == [NAME]


async def test_a_sweep_takes_old_orphans_and_nothing_else(shelf: BodyShelf, clock: FakeClock) -> None:
    for message_id, ago in (("msg_orphan", 2), ("msg_known", 2), ("msg_young", 0.5)):
        _, name = await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), message_id)
        made_at(shelf, name or "", clock, HOUR * ago)
    unfinished = spooled(shelf, b"half").file
    assert unfinished is not None
    os.utime(unfinished, (0, 0))

    assert await shelf.sweep(lambda: known("wn/msg_known"), HOUR) == ["an/msg_orphan"]
    assert sorted(shelf.names()) == ["ng/msg_young", "wn/msg_known"]
    assert not unfinished.exists()


async def test_a_sweep_asks_what_is_known_after_it_has_listed(shelf: BodyShelf, clock: FakeClock) -> None:
    async def known_by_now() -> set[str]:
        _, name = await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), ID)
        made_at(shelf, name or "", clock, HOUR * 2)  # a file that came after the listing, however old
        return set()

    assert await shelf.sweep(known_by_now, HOUR) == []
    assert list(shelf.names()) == [NAME]


async def test_nothing_is_removed_while_the_shelf_stands_still(shelf: BodyShelf) -> None:
    _, name = await shelf.keep(in_memory(bytes(ROW_LIMIT + 1)), ID)
    with shelf.standing_still():
        with shelf.standing_still():
            await shelf.drop(name or "")
        assert list(shelf.names()) == [NAME]
    assert list(shelf.names()) == []


async def test_many_bodies_are_kept_at_once(shelf: BodyShelf) -> None:
    content = {f"msg_{n:04}": bytes([n]) * (ROW_LIMIT + 1) for n in range(40)}
    kept = await asyncio.gather(*(shelf.keep(in_memory(data), name) for name, data in content.items()))
    for (_, name), data in zip(kept, content.values(), strict=True):
        assert shelf.path(name or "").read_bytes() == data
