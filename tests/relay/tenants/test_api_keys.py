"""A key is shown once, and does what it was made for, from where, and for as long."""

import ipaddress
from datetime import timedelta

import pytest

from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.tenants import api_keys, tenants
from relay.tenants.api_keys import FreshKey, NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


async def create(house: House, wanted: NewKey, tenant_id: str = DEFAULT_TENANT) -> FreshKey:
    return await house.db.transact(lambda tx: api_keys.create(tx, house.clock, tenant_id, wanted))


async def test_a_key_is_found_by_what_was_shown_once(house: House, clock: FakeClock) -> None:
    mailbox = await house.add_mailbox("ann@example.test")
    wanted = NewKey(
        name="ci",
        mode="test",
        scopes=("emails:send", "inboxes:*"),
        mailboxes=[mailbox],
        cidrs=("192.0.2.0/24", "2001:db8::1"),
        expires_at=clock.now() + timedelta(days=1),
    )
    fresh = await create(house, wanted)

    assert fresh.secret.startswith("ph_test_")
    assert len(fresh.secret) == len("ph_test_") + 40
    assert fresh.secret not in repr(fresh)
    assert fresh.key.hint == fresh.secret[-4:]
    assert await api_keys.find_by_secret(house.db, fresh.secret) == fresh.key
    assert await api_keys.get(house.db, DEFAULT_TENANT, fresh.key.id) == fresh.key


async def test_nothing_but_the_whole_key_finds_it(house: House) -> None:
    secret = (await create(house, NewKey("ci"))).secret
    row = await house.db.fetch_one("select hash from api_keys")
    assert row is not None
    for text in (secret[:-1], secret + "0", secret.upper(), secret + "\n", row["hash"], "", "ph_live_é"):
        assert await api_keys.find_by_secret(house.db, text) is None


async def test_the_store_and_the_log_do_not_hold_the_key(house: House) -> None:
    secret = (await create(house, NewKey("ci"))).secret
    row = await house.db.fetch_one("select * from api_keys")
    event = (await log.after(house.db, 0, 100))[-1]
    assert row is not None
    assert event.kind == "key.created"
    for text in (*map(str, tuple(row)), str(event.data)):  # type: ignore[arg-type]
        assert secret[8:] not in text


async def test_a_revoked_key_works_no_more(house: House, clock: FakeClock) -> None:
    fresh = await create(house, NewKey("ci"))

    async def revoke() -> bool:
        return await house.db.transact(lambda tx: api_keys.revoke(tx, clock, DEFAULT_TENANT, fresh.key.id))

    assert fresh.key.is_usable(clock.now())
    assert await revoke()
    assert not await revoke()
    found = await api_keys.find_by_secret(house.db, fresh.secret)
    assert found is not None
    assert not found.is_usable(clock.now())
    kinds = [event.kind for event in await log.after(house.db, 0, 100)]
    assert kinds.count("key.revoked") == 1


async def test_a_key_ends_when_it_was_to_end(house: House, clock: FakeClock) -> None:
    key = (await create(house, NewKey("ci", expires_at=clock.now() + timedelta(hours=1)))).key
    assert key.is_usable(clock.now())
    clock.advance(hours=1)
    assert not key.is_usable(clock.now())


async def test_scopes_allow_themselves_their_area_or_everything(house: House) -> None:
    key = (await create(house, NewKey("ci", scopes=("emails:send", "inboxes:*")))).key
    assert key.allows("emails:send")
    assert key.allows("inboxes:read")
    assert not key.allows("emails:read")
    assert not key.allows("keys:write")
    assert (await create(house, NewKey("all"))).key.allows("keys:write")


async def test_networks_narrow_a_key(house: House) -> None:
    key = (await create(house, NewKey("ci", cidrs=("192.0.2.0/24", "2001:db8::/32")))).key
    for text, allowed in [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("198.51.100.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
    ]:
        assert key.allows_from(ipaddress.ip_address(text)) is allowed
    assert (await create(house, NewKey("all"))).key.allows_from(ipaddress.ip_address("198.51.100.1"))


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
        await create(house, wanted)


async def test_keys_stay_with_their_tenant(house: House, clock: FakeClock) -> None:
    fresh = await create(house, NewKey("ci"))
    other = await house.db.transact(lambda tx: tenants.add(tx, clock, "other"))
    mailbox = await house.add_mailbox("ann@example.test")
    assert await api_keys.list_of_tenant(house.db, other.id) == []
    with pytest.raises(NotFound):
        await house.db.transact(lambda tx: api_keys.revoke(tx, clock, other.id, fresh.key.id))
    with pytest.raises(NotFound):
        await create(house, NewKey("ci", mailboxes=[mailbox]), other.id)


async def test_use_is_noted_once_a_minute(house: House, clock: FakeClock) -> None:
    fresh = await create(house, NewKey("ci"))

    async def use() -> object:
        await house.db.transact(lambda tx: api_keys.note_use(tx, clock, fresh.key))
        found = await api_keys.find_by_secret(house.db, fresh.secret)
        assert found is not None
        return found.last_used_at

    first = await use()
    assert first == clock.now()
    clock.advance(seconds=59)
    assert await use() == first
    clock.advance(seconds=1)
    assert await use() == clock.now()


async def test_a_mailbox_takes_its_keys_along(house: House) -> None:
    mailbox = await house.add_mailbox("ann@example.test")
    fresh = await create(house, NewKey("ci", mailboxes=[mailbox]))
    await house.remove(mailbox)
    assert await api_keys.find_by_secret(house.db, fresh.secret) is None
