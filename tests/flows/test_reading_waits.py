"""While the store cannot be written nothing is read, and nothing is lost; then reading goes on."""

import asyncio

import pytest

from inbound.filing import Filing
from inbound.opening import Opened
from relay.errors import StoreUnavailable
from relay.store.database import Transaction
from tests.flows.house import OURS, House
from tests.flows.letters import letter_of, post, received, written
from tests.flows.test_store_trouble import full_store

MANY = [f"box{number}@{OURS}" for number in range(4)]


@pytest.mark.sqlite_only
async def test_what_came_before_the_trouble_is_read_after_it(house: House) -> None:
    ids = [await post(house, written(body="x" * 900 + "\r\n")) for _ in range(10)]
    async with full_store(house):
        with pytest.raises(StoreUnavailable):
            await house.way_in.reader.step()
    await house.run_until_idle()
    assert [(await letter_of(house, id_)).flags for id_ in ids] == [()] * 10
    assert await house.count("arrivals") == 0


async def test_what_was_sent_is_read_however_much_comes(house: House) -> None:
    sent = await house.submit()
    come = await post(house, written())
    await house.way_in.reader.step()
    assert (await letter_of(house, come)).direction == "in"
    assert (await letter_of(house, sent.id)).direction == "out"


async def test_trouble_in_one_mailbox_leaves_no_reading_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a step raises, no reading of the other mailboxes goes on behind its back."""
    for address in MANY:
        await house.mailbox(address)
        await post(house, written(), address)
    file = Filing.received

    async def trouble(filing: Filing, tx: Transaction, opened: Opened) -> object:
        if str(opened.arrival.recipient) == MANY[0]:
            raise StoreUnavailable("gone")
        return await file(filing, tx, opened)

    with monkeypatch.context() as patched:
        patched.setattr(Filing, "received", trouble)
        with pytest.raises(StoreUnavailable):
            await house.way_in.reader.step()
    assert await house.count("letters") == len(MANY) - 1
    await house.run_until_idle()
    assert await house.count("letters") == len(MANY)


async def test_the_reader_goes_on_by_itself(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is woken by what comes, says why it waits, and holds nothing of it against the message."""
    monkeypatch.setattr("inbound.reader.LOOK_AGAIN_SECONDS", 0.0)
    file, tries = Filing.received, 0

    async def trouble(filing: Filing, tx: Transaction, opened: Opened) -> object:
        nonlocal tries
        tries += 1
        if tries < 6:
            raise StoreUnavailable("the disk is full")
        return await file(filing, tx, opened)

    monkeypatch.setattr(Filing, "received", trouble)
    reader = asyncio.create_task(house.way_in.reader.run())
    id_ = await post(house, written())
    async with asyncio.timeout(20):
        while await house.count("arrivals"):
            pass
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert (await letter_of(house, id_)).flags == ()
    assert caplog.text.count("reading waits for the store: the disk is full") == 5


async def test_a_fault_of_ours_holds_up_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch, faults_of_ours: list[str]
) -> None:
    faults_of_ours.append("could not be read; it is tried again")
    broken = await post(house, written(subject="broken"))
    file = Filing.received

    async def fault(filing: Filing, tx: Transaction, opened: Opened) -> object:
        if opened.parsed.subject == "broken":
            raise RuntimeError
        return await file(filing, tx, opened)

    with monkeypatch.context() as patched:
        patched.setattr(Filing, "received", fault)
        assert (await received(house, written(subject="whole"))).subject == "whole"
        assert await house.count("arrivals") == 1
    await house.run_until_idle()
    assert (await letter_of(house, broken)).subject == "broken"
