"""A store that cannot be written takes no mail, says for how long at every door, and recovers alone."""

import asyncio
import smtplib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.queue.state import State
from relay.store.database import Transaction
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.test_caps import log_in
from tests.relay.smtp_server.client import Client

pytestmark = pytest.mark.sqlite_only
ME = f"app@{OURS}"
FILLING = b"x" * 998 + b"\r\n"


async def limit_pages(house: House, pages: int) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(f"pragma max_page_count = {pages}")

    await house.station.db.transact(work)


async def pages_of(house: House) -> int:
    row = await house.station.db.fetch_one("pragma page_count")
    assert row is not None
    return int(row[0])


@asynccontextmanager
async def full_store(house: House) -> AsyncIterator[None]:
    """As if the disk held no more than it holds now."""
    await limit_pages(house, await pages_of(house) + 2)
    yield
    await limit_pages(house, 1_000_000)
    assert await house.station.db.probe()


async def mail_reply(port: int, house: House | None = None) -> str:
    async with await Client.open(port) as client:
        await client.say("EHLO some.test")
        if house is not None:
            await log_in(client, house, ME)
        return await client.say(f"MAIL FROM:<{ME}>")


async def test_a_full_store_says_452_after_the_dot_then_at_mail_and_recovers(house: House) -> None:
    before = await house.submit()
    async with full_store(house):
        with pytest.raises(smtplib.SMTPDataError) as caught:
            await house.submit(message=letter(ME, f"ann@{FAR}") + FILLING * 100)
        assert caught.value.smtp_code == 452
        assert caught.value.smtp_error.startswith(b"4.3.1 ")  # type: ignore[arg-type]
        assert (await mail_reply(house.submission.port, house)).startswith("452 4.3.1 ")
        assert (await mail_reply(house.inbound.port)).startswith("452 4.3.1 ")
        assert await house.used_today() == 1
        # What was accepted goes on being delivered.
        await house.run_until_idle()
        assert await before.state() is State.DELIVERED

    after = await house.submit(message=letter(ME, f"ann@{FAR}") + FILLING * 100)
    await house.run_until_idle()
    assert await after.state() is State.DELIVERED
    assert await house.used_today() == 2


async def test_mail_that_was_begun_while_there_was_room_is_refused_whole(house: House) -> None:
    async with await Client.open(house.submission.port) as client:
        await client.say("EHLO some.test")
        await log_in(client, house, ME)
        await client.say(f"MAIL FROM:<{ME}>")
        await client.say(f"RCPT TO:<ann@{FAR}>")
        async with full_store(house):
            assert (await client.data(letter(ME, "x@y.test") + FILLING * 100 + b".\r\n")).startswith(
                "452 4.3.1"
            )
        await client.say(f"MAIL FROM:<{ME}>")
        await client.say(f"RCPT TO:<ann@{FAR}>")
        assert (await client.data(letter(ME, "x@y.test") + b".\r\n")).startswith("250 2.0.0 queued")
    assert await house.count("messages") == 1
    assert await house.count("recipients") == 1
    assert await house.used_today() == 1
    assert house.leftovers() == []


async def test_a_locked_store_says_451_and_recovers(house: House) -> None:
    path = house.station.config.store_file
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("begin immediate")
        async with asyncio.timeout(60):
            with pytest.raises(smtplib.SMTPDataError) as caught:
                await house.submit()
        assert caught.value.smtp_code == 451
        assert caught.value.smtp_error.startswith(b"4.3.0 ")  # type: ignore[arg-type]
        assert (await mail_reply(house.inbound.port)).startswith("451 4.3.0 ")
        other.execute("rollback")
    finally:
        other.close()
    assert await house.station.db.probe()
    sent = await house.submit()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.count("messages") == 1


async def test_an_outcome_finds_room_when_mail_does_not(house: House) -> None:
    """The far server has it: that is written down though the store is full, or kept until it can be."""
    gate = house.mx.stalls(".")
    sent = await house.submit()
    await house.way_out.dispatcher.look()
    await house.mx.messages_arrive()
    async with full_store(house):
        with pytest.raises(smtplib.SMTPDataError):
            await house.submit(message=letter(ME, f"ann@{FAR}") + FILLING * 100)
        gate.set()
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1


async def test_a_body_that_cannot_be_kept_is_refused_for_now(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("relay.store.bodies.BodyShelf._put_away", no_room)
        with pytest.raises(smtplib.SMTPDataError) as caught:
            await house.submit(message=letter(ME, f"ann@{FAR}") + FILLING * 300)
    assert caught.value.smtp_code == 452
    assert not house.station.db.accepting
    assert await house.station.db.probe()
    assert await house.count("messages") == 0
    assert house.leftovers() == []
    await house.submit(message=letter(ME, f"ann@{FAR}") + FILLING * 300)
