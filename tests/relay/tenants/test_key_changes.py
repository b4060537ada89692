"""A key is made and shown once, kept as a digest, revoked at once; what cannot be meant is refused."""

import pytest

from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.tenants import api_keys, key_changes, tenants
from relay.tenants.key_changes import NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


async def test_the_store_and_the_log_do_not_hold_the_key(house: House) -> None:
    secret = (await house.add_key(NewKey("ci"))).secret
    row = await house.db.fetch_one("select * from api_keys")
    event = (await log.after(house.db, 0, 100))[-1]
    assert row is not None
    assert event.kind == "key.created"
    for text in (*map(str, tuple(row)), str(event.data)):  # type: ignore[arg-type]
        assert secret[8:] not in text


async def test_a_revoked_key_works_no_more(house: House, clock: FakeClock) -> None:
    fresh = await house.add_key(NewKey("ci"))

    async def revoke() -> bool:
        return await house.db.transact(lambda tx: key_changes.revoke(tx, clock, DEFAULT_TENANT, fresh.key.id))

    assert fresh.key.is_usable(clock.now())
    assert await revoke()
    assert not await revoke()
    found = await api_keys.find_by_secret(house.db, fresh.secret)
    assert found is not None
    assert not found.is_usable(clock.now())
    kinds = [event.kind for event in await log.after(house.db, 0, 100)]
    assert kinds.count("key.revoked") == 1


@pytest.mark.parametrize(
    "wanted",
    [
        NewKey(""),
        NewKey("a\nb"),
        NewKey("ci", scopes=()),
        NewKey("ci", scopes=("Send!",)),
        NewKey("ci", scopes=("emails:send:more",)),
        NewKey("ci", cidrs=("192.0.2.1/24",)),
        NewKey("ci", cidrs=("everywhere",)),
        NewKey("ci", expires_at=FakeClock().now()),
    ],
)
async def test_what_cannot_be_meant_is_refused(house: House, wanted: NewKey) -> None:
    with pytest.raises(InvalidInput):
        await house.add_key(wanted)


async def test_nobody_changes_or_is_bound_to_what_is_another_tenants(house: House, clock: FakeClock) -> None:
    fresh = await house.add_key(NewKey("ci"))
    other = await house.db.transact(lambda tx: tenants.add(tx, clock, "other"))
    mailbox = await house.add_mailbox("ann@example.test")
    with pytest.raises(NotFound):
        await house.db.transact(lambda tx: key_changes.revoke(tx, clock, other.id, fresh.key.id))
    with pytest.raises(NotFound):
        await house.add_key(NewKey("ci", mailboxes=[mailbox]), other.id)
