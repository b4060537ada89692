"""A mailbox that has only a name gets an address that nobody has."""

import re

import pytest

from relay.estate.addresses import NoVerifiedDomain, give_address, slug_of
from relay.store.database import Database
from relay.tenants import domain_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from tests.fakes.clock import FakeClock

ME = "ten_default"


async def add_domain(db: Database, clock: FakeClock, name: str, *, verified: bool = True) -> None:
    added = await db.transact(lambda tx: domain_changes.add(tx, clock, ME, name))
    if verified:
        await db.transact(lambda tx: domain_changes.assume_verified(tx, clock, added))
    clock.advance(seconds=1)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ann Lee", "ann-lee"),
        ("Łukasz  Ærø", "ukasz-r"),
        ("Zoë O'Brien-Smith", "zoe-o-brien-smith"),
        ("...", "inbox"),
        ("", "inbox"),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_a_name_becomes_a_local_part(name: str, slug: str) -> None:
    assert slug_of(name) == slug


async def test_the_domain_is_the_first_that_was_verified(db: Database, clock: FakeClock) -> None:
    wanted = NewMailbox(address="", name="Ann")
    with pytest.raises(NoVerifiedDomain):
        await give_address(db, ME, wanted, None)
    await add_domain(db, clock, "a.test", verified=False)
    with pytest.raises(NoVerifiedDomain):
        await give_address(db, ME, wanted, None)
    await add_domain(db, clock, "z.test")
    await add_domain(db, clock, "b.test")
    assert (await give_address(db, ME, wanted, None)).address == "ann@z.test"
    assert (await give_address(db, ME, wanted, "B.test")).address == "ann@b.test"
    with pytest.raises(NoVerifiedDomain):
        await give_address(db, "ten_other", wanted, None)


async def test_an_address_or_alias_that_is_taken_and_a_role_are_not_given(
    db: Database, clock: FakeClock
) -> None:
    await add_domain(db, clock, "z.test")
    taken = NewMailbox(address="ann@z.test", aliases=["bob@z.test"])
    await db.transact(lambda tx: mailbox_changes.add(tx, clock, ME, taken))
    for name in ("Ann", "Bob", "Postmaster"):
        given = await give_address(db, ME, NewMailbox(address="", name=name), None)
        assert re.fullmatch(rf"{name.lower()}-[a-z2-9]{{6}}@z\.test", given.address)
