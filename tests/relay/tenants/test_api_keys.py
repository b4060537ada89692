"""A key is found by its secret alone, and does what it was made for, from where, and for as long."""

import ipaddress
from datetime import timedelta

import pytest

from relay.errors import NotFound
from relay.tenants import api_keys, tenants
from relay.tenants.key_changes import NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


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
    fresh = await house.add_key(wanted)

    assert fresh.secret.startswith("ph_test_")
    assert len(fresh.secret) == len("ph_test_") + 40
    assert fresh.secret not in repr(fresh)
    assert fresh.key.hint == fresh.secret[-4:]
    assert await api_keys.find_by_secret(house.db, fresh.secret) == fresh.key
    assert await api_keys.get(house.db, DEFAULT_TENANT, fresh.key.id) == fresh.key


async def test_nothing_but_the_whole_key_finds_it(house: House) -> None:
    secret = (await house.add_key(NewKey("ci"))).secret
    row = await house.db.fetch_one("select hash from api_keys")
    assert row is not None
    for text in (secret[:-1], secret + "0", secret.upper(), secret + "\n", row["hash"], "", "ph_live_é"):
        assert await api_keys.find_by_secret(house.db, text) is None


async def test_a_key_ends_when_it_was_to_end(house: House, clock: FakeClock) -> None:
    key = (await house.add_key(NewKey("ci", expires_at=clock.now() + timedelta(hours=1)))).key
    assert key.is_usable(clock.now())
    clock.advance(hours=1)
    assert not key.is_usable(clock.now())


async def test_scopes_allow_themselves_their_area_or_everything(house: House) -> None:
    key = (await house.add_key(NewKey("ci", scopes=("emails:send", "inboxes:*")))).key
    assert key.allows("emails:send")
    assert key.allows("inboxes:read")
    assert not key.allows("emails:read")
    assert not key.allows("keys:write")
    assert (await house.add_key(NewKey("all"))).key.allows("keys:write")


async def test_networks_narrow_a_key(house: House) -> None:
    key = (await house.add_key(NewKey("ci", cidrs=("192.0.2.0/24", "2001:db8::/32")))).key
    for text, allowed in [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("198.51.100.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
    ]:
        assert key.allows_from(ipaddress.ip_address(text)) is allowed
    assert (await house.add_key(NewKey("all"))).key.allows_from(ipaddress.ip_address("198.51.100.1"))


async def test_a_tenant_reads_its_own_keys_alone(house: House, clock: FakeClock) -> None:
    fresh = await house.add_key(NewKey("ci"))
    other = await house.db.transact(lambda tx: tenants.add(tx, clock, "other"))
    assert await api_keys.list_of_tenant(house.db, DEFAULT_TENANT) == [fresh.key]
    assert await api_keys.list_of_tenant(house.db, other.id) == []
    with pytest.raises(NotFound):
        await api_keys.get(house.db, other.id, fresh.key.id)


async def test_use_is_noted_once_a_minute(house: House, clock: FakeClock) -> None:
    fresh = await house.add_key(NewKey("ci"))

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
    fresh = await house.add_key(NewKey("ci", mailboxes=[mailbox]))
    await house.remove(mailbox)
    assert await api_keys.find_by_secret(house.db, fresh.secret) is None
