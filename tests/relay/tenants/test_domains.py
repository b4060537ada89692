"""A domain may send once its records were seen, and trouble with the DNS takes nothing away."""

from datetime import timedelta
from functools import partial

import pytest

from relay.errors import AlreadyExists, InvalidInput, NotFound
from relay.events import log
from relay.store.database import Transaction
from relay.tenants import dkim_selectors, domain_changes, domain_checks, domains, tenants
from relay.tenants.domain_changes import DomainInUse
from relay.tenants.domain_checks import DomainCheck, Seen
from relay.tenants.domains import Domain
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.relay.tenants.house import House


async def look(
    house: House,
    domain: Domain,
    sending: Seen,
    bounces: Seen = Seen.UNKNOWN,
    receiving: Seen = Seen.UNKNOWN,
) -> Domain:
    check = DomainCheck(sending, bounces, receiving, {"dkim": "seen"})
    return await house.directory.change(lambda tx: domain_checks.record_check(tx, house.clock, domain, check))


async def _remove(house: House, domain: Domain, tx: Transaction) -> None:
    await domain_changes.remove(tx, house.clock, domain)


async def kinds(house: House, name: str) -> list[str]:
    return [event.kind for event in await log.after(house.db, 0, 100) if event.data.get("domain") == name]


async def test_a_domain_is_pending_until_its_records_are_seen(house: House, clock: FakeClock) -> None:
    domain = await house.add_domain("new.test", verified=False)
    assert not domain.is_verified

    assert not (await look(house, domain, Seen.NO)).is_verified
    assert not (await look(house, domain, Seen.UNKNOWN)).is_verified
    verified = await look(house, domain, Seen.YES)

    assert verified.is_verified
    assert verified.verified_at == verified.checked_at == clock.now()
    assert verified.check_result["details"] == {"dkim": "seen"}
    assert await domains.find(house.db, "new.test") == verified
    assert await kinds(house, "new.test") == ["domain.created", "domain.verified"]


async def test_trouble_with_the_dns_never_unverifies(house: House, clock: FakeClock) -> None:
    domain = await house.add_domain("new.test", verified=False)
    await look(house, domain, Seen.YES, Seen.YES, Seen.YES)
    for _ in range(30):
        clock.advance(days=1)
        domain = await look(house, domain, Seen.UNKNOWN)
    assert domain.is_verified
    assert domain.bounces_verified_at is not None
    assert domain.receives_at is not None


async def test_records_that_are_gone_for_days_unverify(house: House, clock: FakeClock) -> None:
    domain = await look(house, await house.add_domain("new.test", verified=False), Seen.YES)
    assert (await look(house, domain, Seen.NO)).is_verified
    clock.advance(domain_checks.GRACE - timedelta(seconds=1))
    assert (await look(house, domain, Seen.NO)).is_verified
    clock.advance(seconds=1)
    assert (await look(house, domain, Seen.UNKNOWN)).is_verified
    gone = await look(house, domain, Seen.NO)
    assert not gone.is_verified
    assert gone.verified_at is None
    assert (await kinds(house, "new.test"))[-1] == "domain.unverified"
    assert (await look(house, domain, Seen.YES)).is_verified


async def test_records_that_come_back_start_the_grace_again(house: House, clock: FakeClock) -> None:
    domain = await look(house, await house.add_domain("new.test", verified=False), Seen.YES)
    await look(house, domain, Seen.NO)
    clock.advance(domain_checks.GRACE)
    await look(house, domain, Seen.YES)
    assert (await look(house, domain, Seen.NO)).is_verified


async def test_an_owners_word_is_not_taken_back_by_checks(house: House, clock: FakeClock) -> None:
    domain = await house.add_domain("word.test")
    await look(house, domain, Seen.NO)
    clock.advance(days=30)
    assert (await look(house, domain, Seen.NO)).is_verified


async def test_where_bounces_and_mail_come_in_follows_the_dns(house: House, clock: FakeClock) -> None:
    domain = await house.add_domain("new.test", verified=False)
    seen = await look(house, domain, Seen.YES, Seen.YES, Seen.YES)
    since = clock.now()
    clock.advance(hours=1)
    again = await look(house, seen, Seen.YES, Seen.YES, Seen.NO)
    assert again.bounces_verified_at == since
    assert again.receives_at is None


async def test_a_check_works_on_what_the_store_has_now(house: House) -> None:
    stale = await house.add_domain("new.test", verified=False)
    await look(house, stale, Seen.YES)
    assert (await look(house, stale, Seen.UNKNOWN)).is_verified


async def test_a_name_belongs_to_one_tenant(house: House) -> None:
    other = await house.db.transact(lambda tx: tenants.add(tx, house.clock, "other"))
    for tenant_id in (DEFAULT_TENANT, other.id):
        with pytest.raises(AlreadyExists, match=r"example\.test"):
            await house.add_domain("EXAMPLE.test.", tenant_id=tenant_id)
    with pytest.raises(NotFound):
        await domains.get(house.db, other.id, "example.test")


@pytest.mark.parametrize("name", ["mail.ours.test", "bounces.ours.test", "a.b.ours.test", "test"])
async def test_nobody_gets_a_name_above_or_below_another_tenants(house: House, name: str) -> None:
    await house.add_domain("ours.test")
    other = await house.db.transact(lambda tx: tenants.add(tx, house.clock, "other"))
    with pytest.raises(AlreadyExists, match="above or below"):
        await house.add_domain(name, tenant_id=other.id)
    await house.add_domain(name)
    await house.add_domain("nearours.example", tenant_id=other.id)


@pytest.mark.parametrize("name", ["", "a b", "[192.0.2.1]", "192.0.2.1", "exa_mple.test", "-a.test", "a..b"])
async def test_what_is_no_domain_is_refused(house: House, name: str) -> None:
    with pytest.raises(InvalidInput):
        await house.add_domain(name)


async def test_international_names_are_kept_as_a_labels(house: House) -> None:
    assert (await house.add_domain("Bücher.test")).name == "xn--bcher-kva.test"


async def test_a_domain_in_use_stays(house: House) -> None:
    used = await house.add_domain("used.test")
    aliased = await house.add_domain("aliased.test")
    await house.add_mailbox("ann@used.test", aliases=["ann@aliased.test"])
    for domain in (used, aliased):
        with pytest.raises(DomainInUse, match=r"ann@"):
            await house.directory.change(partial(_remove, house, domain))


async def test_an_empty_domain_goes_with_its_keys(house: House) -> None:
    domain = await house.add_domain("old.test")
    await house.directory.change(lambda tx: dkim_selectors.add(tx, house.clock, domain, [("s1r", "rsa")]))
    await house.directory.change(lambda tx: domain_changes.remove(tx, house.clock, domain))
    assert await house.directory.domain("old.test") is None
    assert (await kinds(house, "old.test"))[-1] == "domain.removed"


async def test_rotation_keeps_the_old_keys_known(house: House, clock: FakeClock) -> None:
    domain = await house.add_domain("keys.test")
    await house.directory.change(
        lambda tx: dkim_selectors.add(tx, clock, domain, [("s1r", "rsa"), ("s1e", "ed25519")])
    )
    assert await house.directory.active_selectors("keys.test") == ("s1e", "s1r")
    clock.advance(days=1)
    await house.directory.change(
        lambda tx: dkim_selectors.rotate(tx, clock, domain, [("s2r", "rsa"), ("s2e", "ed25519")])
    )

    keys = await dkim_selectors.of_domain(house.db, domain)
    assert [(key.selector, key.status.value) for key in keys] == [
        ("s2e", "active"),
        ("s2r", "active"),
        ("s1e", "retired"),
        ("s1r", "retired"),
    ]
    assert keys[2].retired_at == clock.now()
    assert await house.directory.active_selectors("keys.test") == ("s2e", "s2r")

    async def forget(selector: str) -> bool:
        return await house.directory.change(lambda tx: dkim_selectors.forget(tx, domain, selector))

    assert await forget("s1r")
    assert not await forget("s2r")
