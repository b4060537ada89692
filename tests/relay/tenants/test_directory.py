"""The directory answers from memory, and never for longer than it may."""

import asyncio
from datetime import timedelta

import pytest

from relay.address import Address, parse_address
from relay.store.database import Database
from relay.tenants import directory as directory_module
from relay.tenants import tenants
from relay.tenants.directory import Directory
from relay.tenants.mailboxes import Mailbox
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


async def find(house: House, address: str, *, strip_tag: bool = False) -> Mailbox | None:
    return await house.directory.mailbox_for_address(parse_address(address), strip_tag=strip_tag)


async def test_addresses_lead_to_their_mailbox(house: House) -> None:
    ann = await house.add_mailbox("ann@example.test", aliases=["info@example.test"])
    tagged = await house.add_mailbox("ann+bob@example.test")

    assert await find(house, "Ann@EXAMPLE.test") == ann
    assert await find(house, "INFO@example.test") == ann
    assert await find(house, "ann+bob@example.test", strip_tag=True) == tagged
    assert await find(house, "ann+list@example.test", strip_tag=True) == ann
    assert await find(house, "info+a+b@example.test", strip_tag=True) == ann
    assert await find(house, "ann+list@example.test") is None
    assert await find(house, "+ann@example.test", strip_tag=True) is None
    assert await find(house, "ann@other.test", strip_tag=True) is None


async def test_an_address_without_a_domain_is_nobodys(house: House) -> None:
    await house.add_mailbox("ann@example.test")
    assert await house.directory.mailbox_for_address(Address("postmaster", ""), strip_tag=True) is None


async def test_a_change_through_the_directory_is_seen_at_once(house: House) -> None:
    assert await find(house, "ann@example.test") is None
    ann = await house.add_mailbox("ann@example.test", daily_cap=1)
    assert await find(house, "ann@example.test") == ann
    changed = await house.change(ann, daily_cap=2)
    assert await house.directory.mailbox(ann.id) == changed


async def test_a_change_behind_its_back_is_seen_soon_or_when_told(
    house: House, db: Database, clock: FakeClock
) -> None:
    elsewhere = House(db, clock, Directory(db, clock))
    assert await find(house, "ann@example.test") is None
    ann = await elsewhere.add_mailbox("ann@example.test")
    assert await find(house, "ann@example.test") is None

    house.directory.forget()
    assert await find(house, "ann@example.test") == ann

    changed = await elsewhere.change(ann, name="Ann")
    assert await find(house, "ann@example.test") == ann
    clock.advance(directory_module.MAX_AGE)
    assert await find(house, "ann@example.test") == changed
    elsewhere.directory.close()


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    house: House, db: Database, clock: FakeClock
) -> None:
    ann = await house.add_mailbox("ann@example.test")

    class Overtaken:
        """A store whose answer arrives after somebody has changed what it says."""

        def __getattr__(self, name: str) -> object:
            return getattr(db, name)

        async def fetch_all(self, sql: str, *args: object) -> object:
            rows = await db.fetch_all(sql, *args)  # type: ignore[arg-type]
            if not overtaken:
                overtaken.append(True)
                await slow.change(lambda tx: tx.execute("update mailboxes set name = 'new'"))
            return rows

    overtaken: list[bool] = []
    slow = Directory(Overtaken(), clock)  # type: ignore[arg-type]
    first = await slow.mailbox(ann.id)
    again = await slow.mailbox(ann.id)
    slow.close()
    assert first is not None
    assert again is not None
    assert (first.name, again.name) == ("", "new")


async def test_many_who_ask_together_are_answered_by_one_read(
    house: House, db: Database, clock: FakeClock
) -> None:
    ann = await house.add_mailbox("ann@example.test")
    asked = 0

    class Counted:
        def __getattr__(self, name: str) -> object:
            return getattr(db, name)

        async def fetch_one(self, sql: str, *args: object) -> object:
            nonlocal asked
            asked += 1
            return await db.fetch_one(sql, *args)  # type: ignore[arg-type]

    directory = Directory(Counted(), clock)  # type: ignore[arg-type]
    first = asyncio.create_task(directory.domain("example.test"))
    others = [asyncio.create_task(directory.domain("example.test")) for _ in range(50)]
    await asyncio.sleep(0)
    first.cancel()
    found = await asyncio.gather(*others)
    directory.close()
    assert {domain.id for domain in found if domain} == {ann.domain_id}
    assert (asked, first.cancelled()) == (1, True)


async def test_a_failed_change_forgets_too(house: House) -> None:
    await find(house, "ann@example.test")
    with pytest.raises(ZeroDivisionError):
        await house.directory.change(lambda tx: 1 / 0)  # type: ignore[arg-type, return-value]
    assert await find(house, "ann@example.test") is None


async def test_memory_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "MAX_ENTRIES", 10)
    for number in range(50):
        await find(house, f"guess{number}@example.test")
    assert len(house.directory._kept) == 10


async def test_roles_go_to_the_first_mailbox_of_the_domain_or_the_house(
    house: House, clock: FakeClock
) -> None:
    await house.add_domain("empty.test")
    await house.add_domain("second.test")
    directory = house.directory
    assert await directory.postmaster_mailbox("example.test") is None
    first = await house.add_mailbox("z@example.test")
    clock.advance(seconds=1)
    await house.add_mailbox("a@example.test")
    second = await house.add_mailbox("b@second.test")

    assert await directory.postmaster_mailbox("example.test") == first
    assert await directory.postmaster_mailbox("second.test") == second
    assert await directory.postmaster_mailbox("empty.test") == first
    assert await directory.postmaster_mailbox() == first
    assert await directory.postmaster_mailbox("other.invalid") is None


async def test_roles_stay_with_their_tenant(house: House) -> None:
    await house.add_mailbox("z@example.test")
    other = await house.db.transact(lambda tx: tenants.add(tx, house.clock, "other"))
    await house.add_domain("other.test", tenant_id=other.id)
    assert await house.directory.postmaster_mailbox("other.test") is None


async def test_clients_without_a_login_are_known_by_the_address_they_use(house: House) -> None:
    app = await house.add_mailbox("app@example.test", senders=["*@example.test"])
    ann = await house.add_mailbox("ann@example.test")
    sender = house.directory.sender_mailbox
    assert await sender(parse_address("ann+x@example.test")) == ann
    assert await sender(parse_address("anything@example.test")) == app
    assert await sender(parse_address("anything@other.test")) is None


async def test_ages_are_measured_without_the_wall_clock(house: House, clock: FakeClock) -> None:
    """Setting the clock back must not keep the old for longer."""
    await find(house, "ann@example.test")
    clock._now -= timedelta(days=1)
    clock._monotonic += 11
    await house.db.transact(lambda tx: tx.execute("delete from mailboxes"))
    assert await find(house, "ann@example.test") is None
