"""Whoever is not to be written to is not, for as long and as far as that holds."""

from datetime import timedelta
from typing import Any

import pytest

from relay.address import Address, parse_address
from relay.events import log
from relay.store.database import Database
from relay.suppressions import records
from relay.suppressions.reasons import SuppressionReason
from tests.fakes.clock import FakeClock

ME = "ten_default"
ANN = parse_address("Ann@example.test")


async def add(
    db: Database, clock: FakeClock, address: Address = ANN, reason: str = "bounce", **more: Any
) -> bool:
    return await db.transact(
        lambda tx: records.add(tx, clock, tenant_id=ME, address=address, reason=reason, **more)
    )


async def among(
    db: Database, clock: FakeClock, *addresses: Address, stream: str | None = None, tenant_id: str = ME
) -> dict[Address, SuppressionReason]:
    return await records.suppressed_among(db, tenant_id, addresses, stream, clock.now())


async def test_a_suppressed_address_is_found_among_others_in_any_case(db: Database, clock: FakeClock) -> None:
    bob = parse_address("bob@example.test")
    await add(db, clock)
    found = await among(db, clock, bob, ANN, parse_address("ANN@EXAMPLE.test"))
    assert found == {
        ANN: SuppressionReason.BOUNCE,
        parse_address("ANN@EXAMPLE.test"): SuppressionReason.BOUNCE,
    }
    assert await among(db, clock) == {}


async def test_odd_local_parts_are_found_too(db: Database, clock: FakeClock) -> None:
    odd = [
        parse_address(text) for text in ('"a..b"@example.test', "jörg@example.test", "o'brien@example.test")
    ]
    for address in odd:
        await add(db, clock, address)
    assert set(await among(db, clock, *odd)) == set(odd)
    page = await records.page(db, ME)
    assert {entry.address for entry in page} == set(odd)


async def test_a_thousand_addresses_are_one_read(db: Database, clock: FakeClock) -> None:
    many = [parse_address(f"user{number}@example.test") for number in range(1000)]
    await add(db, clock, many[500])
    assert await among(db, clock, *many) == {many[500]: SuppressionReason.BOUNCE}


async def test_what_is_suppressed_for_one_stream_gets_the_rest(db: Database, clock: FakeClock) -> None:
    await add(db, clock, reason="unsubscribe", stream="news")
    assert await among(db, clock, ANN, stream="news") == {ANN: SuppressionReason.UNSUBSCRIBE}
    assert await among(db, clock, ANN, stream="orders") == {}
    assert await among(db, clock, ANN) == {}


async def test_what_holds_for_everything_stands_before_a_stream(db: Database, clock: FakeClock) -> None:
    await add(db, clock, reason="unsubscribe", stream="news")
    await add(db, clock, reason="complaint")
    assert await among(db, clock, ANN, stream="news") == {ANN: SuppressionReason.COMPLAINT}


async def test_a_suppression_with_an_end_ends(db: Database, clock: FakeClock) -> None:
    await add(db, clock, expires_at=clock.now() + timedelta(days=1))
    assert await among(db, clock, ANN)
    clock.advance(days=1)
    assert not await among(db, clock, ANN)


async def test_only_a_longer_one_replaces_what_is_there(db: Database, clock: FakeClock) -> None:
    soon, later = (clock.now() + timedelta(days=days) for days in (1, 2))
    assert await add(db, clock, expires_at=soon)
    assert await add(db, clock, reason="manual", expires_at=later)
    assert not await add(db, clock, expires_at=soon)
    assert await add(db, clock, reason="complaint")
    assert not await add(db, clock, reason="bounce")
    assert not await add(db, clock, expires_at=later)
    assert await among(db, clock, ANN) == {ANN: SuppressionReason.COMPLAINT}
    assert len(await records.page(db, ME)) == 1


async def test_one_that_ran_out_is_replaced_by_any(db: Database, clock: FakeClock) -> None:
    await add(db, clock, reason="manual", expires_at=clock.now() + timedelta(days=9))
    clock.advance(days=10)
    assert await add(db, clock, expires_at=clock.now() + timedelta(days=1), source_message_id="msg_1")
    found = await records.find(db, ME, ANN)
    assert found is not None
    assert (found.reason, found.source_message_id) == (SuppressionReason.BOUNCE, "msg_1")
    assert found.created_at == clock.now()


async def test_removing_lets_mail_go_again_and_both_are_told(db: Database, clock: FakeClock) -> None:
    await add(db, clock)
    await add(db, clock)
    other_case = parse_address("ANN@example.test")
    assert await db.transact(lambda tx: records.remove(tx, clock, ME, other_case))
    assert not await db.transact(lambda tx: records.remove(tx, clock, ME, other_case))
    assert not await among(db, clock, ANN)
    kinds = [event.kind for event in await log.after(db, 0, 10)]
    assert kinds == ["suppression.created", "suppression.removed"]


async def test_tenants_do_not_share_suppressions(db: Database, clock: FakeClock) -> None:
    await add(db, clock)
    assert not await among(db, clock, ANN, tenant_id="ten_other")
    assert await records.page(db, "ten_other") == []


async def test_an_unknown_reason_is_a_fault_of_ours(db: Database, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="mood"):
        await add(db, clock, reason="mood")


async def test_pages_go_from_the_newest(db: Database, clock: FakeClock) -> None:
    for number in range(5):
        clock.advance(seconds=1)
        await add(db, clock, parse_address(f"user{number}@example.test"))
    first = await records.page(db, ME, limit=2)
    rest = await records.page(db, ME, before_id=first[-1].id)
    assert [entry.address.local_part for entry in first + rest] == [f"user{n}" for n in (4, 3, 2, 1, 0)]
