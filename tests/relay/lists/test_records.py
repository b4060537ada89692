"""Block beats allow, and where somebody is allowed by name nobody else is."""

from collections.abc import Sequence
from typing import Any

import pytest

from relay.address import parse_address
from relay.errors import InvalidInput
from relay.lists import ListEntry, Verdict, read_entry, records
from relay.lists.records import Direction
from relay.store.database import Database
from relay.tenants import tenants
from tests.fakes.clock import FakeClock

ME = "ten_default"
ANN, BOB = "Ann@example.test", "bob@mail.example.test"


async def listed(db: Database, clock: FakeClock, entry: str, type_: Any = "block", **more: Any) -> ListEntry:
    wanted = {"tenant_id": ME, "direction": "send", **more}
    added, _ = await db.transact(lambda tx: records.add(tx, clock, type=type_, entry=entry, **wanted))
    return added


async def judge(
    db: Database, *texts: str, mailbox: str = "inb_1", direction: Direction = "send", tenant: str = ME
) -> Verdict:
    addresses = [parse_address(text) for text in texts]
    return await records.judge(db, tenant, mailbox, direction, addresses)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" Ann@Example.TEST ", "ann@example.test"),
        ("@Example.test", "example.test"),
        ("*@example.test", "example.test"),
        ("example.test.", "example.test"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ('"a b"@example.test', None),
        ("*.example.test", None),
        ("*example.test", None),
        ("ann@", None),
        ("", None),
        ("*", None),
    ],
)
def test_an_entry_has_one_form(written: str, kept: str | None) -> None:
    if kept is None:
        with pytest.raises(InvalidInput):
            read_entry(written)
    else:
        assert read_entry(written) == kept


async def test_without_lists_everybody_is_allowed(db: Database) -> None:
    assert await judge(db, ANN, BOB) == Verdict(True)
    assert await judge(db) == Verdict(True)


async def test_an_address_is_blocked_in_any_case_of_letters(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, "ANN@example.test")
    assert await judge(db, "aNN@example.test") == Verdict(False, "ann@example.test", "block")
    assert (await judge(db, "anna@example.test")).allowed


async def test_a_domain_means_those_below_it_and_no_lookalike(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, "@example.test")
    assert await judge(db, ANN) == Verdict(False, "example.test", "block")
    assert await judge(db, BOB) == Verdict(False, "example.test", "block")
    assert (await judge(db, "ann@notexample.test")).allowed
    assert (await judge(db, "ann@test")).allowed


async def test_block_beats_allow_however_near_the_allowance_is(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, "ann@example.test", "allow")
    await listed(db, clock, "example.test", "block")
    assert await judge(db, ANN) == Verdict(False, "example.test", "block")


async def test_where_somebody_is_allowed_nobody_else_is(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, "mail.example.test", "allow")
    assert await judge(db, BOB) == Verdict(True)
    assert await judge(db, ANN) == Verdict(False, None, "allow")
    assert not (await judge(db, BOB, ANN)).allowed


async def test_a_list_of_one_mailbox_says_nothing_of_others(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, ANN, "block", mailbox_id="inb_1")
    await listed(db, clock, BOB, "allow", mailbox_id="inb_2")
    assert not (await judge(db, ANN, mailbox="inb_1")).allowed
    assert (await judge(db, BOB, mailbox="inb_1")).allowed
    assert not (await judge(db, ANN, mailbox="inb_2")).allowed
    assert (await judge(db, ANN, mailbox="inb_3")).allowed


async def test_directions_and_tenants_are_apart(db: Database, clock: FakeClock) -> None:
    other = await db.transact(lambda tx: tenants.add(tx, clock, "other"))
    await listed(db, clock, ANN, direction="receive")
    await listed(db, clock, BOB, tenant_id=other.id)
    assert (await judge(db, ANN)).allowed
    assert not (await judge(db, ANN, direction="receive")).allowed
    assert (await judge(db, BOB)).allowed
    assert not (await judge(db, BOB, tenant=other.id)).allowed


async def test_the_names_of_one_sender_are_judged_together(db: Database, clock: FakeClock) -> None:
    """The reverse path of allowed mail is often its sender's service; what is blocked has no way around."""
    await listed(db, clock, ANN, "allow", direction="receive")
    author, path = "ann@example.test", "bounce-7@service.test"
    assert await judge(db, path, author, direction="receive") == Verdict(True, author, "allow")
    assert not (await judge(db, path, direction="receive")).allowed
    assert not (await judge(db, direction="receive")).allowed
    await listed(db, clock, "service.test", "block", direction="receive")
    assert await judge(db, path, author, direction="receive") == Verdict(False, "service.test", "block")


async def test_an_entry_stands_once_on_a_list(db: Database, clock: FakeClock) -> None:
    first = await listed(db, clock, ANN)
    assert await listed(db, clock, "ann@EXAMPLE.test") == first
    own = await listed(db, clock, ANN, mailbox_id="inb_1")
    assert await listed(db, clock, ANN, mailbox_id="inb_1") == own
    assert own.id != first.id
    assert {entry.id for entry in await page(db)} == {first.id, own.id}


async def test_only_what_is_on_the_list_is_taken_off(db: Database, clock: FakeClock) -> None:
    await listed(db, clock, ANN)
    await listed(db, clock, ANN, mailbox_id="inb_1")

    async def take_off(**more: Any) -> bool:
        wanted = {"tenant_id": ME, "direction": "send", "type": "block", "entry": ANN, **more}
        return await db.transact(lambda tx: records.remove(tx, clock, **wanted))

    assert not await take_off(type="allow")
    assert not await take_off(direction="receive")
    assert await take_off()
    assert not await take_off()
    assert [entry.mailbox_id for entry in await page(db)] == ["inb_1"]


async def test_the_lists_of_a_mailbox_go_with_it(db: Database, clock: FakeClock) -> None:
    kept = await listed(db, clock, ANN)
    await listed(db, clock, ANN, mailbox_id="inb_1")
    await db.transact(lambda tx: records.forget(tx, "inb_1"))
    assert await page(db) == [kept]


async def test_pages_follow_one_another_newest_first(db: Database, clock: FakeClock) -> None:
    made = []
    for number in range(5):
        clock.advance(seconds=1)
        made.append(await listed(db, clock, f"user{number}@example.test"))
    first = await page(db, limit=3)
    rest = await page(db, limit=3, before_id=first[-1].id)
    assert [*first, *rest] == made[::-1]


async def page(db: Database, **more: Any) -> Sequence[ListEntry]:
    return await records.list_page(db, ME, "send", "block", **more)
