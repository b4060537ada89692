"""A domain is what its DNS records show; trouble with the DNS shows nothing."""

from dataclasses import replace

import pytest

from relay.events.kinds import EventKind
from relay.tenants import domain_changes, domain_checks, domains
from relay.tenants.dns_judge import Judgement
from relay.tenants.domain_checks import GRACE, Seen
from relay.verification.verify import Verification
from tests.relay.verification.house import ADDRESS, HOSTNAME, VerifiedHouse


async def test_a_domain_with_all_records_sends_and_takes_bounces_and_mail(house: VerifiedHouse) -> None:
    await house.publish()
    found = await house.verify()
    assert {look.judgement for look in found.looks} == {Judgement.RIGHT}
    domain = await house.now()
    assert domain.is_verified
    assert domain.bounces_verified_at == domain.receives_at == domain.checked_at == house.clock.now()
    assert domain == found.domain
    rows = await house.station.db.fetch_all("select kind from events order by seq")
    assert [row["kind"] for row in rows][-1] == EventKind.DOMAIN_VERIFIED


async def test_nothing_published_leaves_it_pending_and_says_what_to_add(house: VerifiedHouse) -> None:
    found = await house.verify()
    assert not found.domain.is_verified
    assert found.check.sending is Seen.NO
    assert {look.judgement for look in found.looks} == {Judgement.MISSING}
    assert all(look.note for look in found.looks)


async def test_the_rsa_key_alone_is_enough_to_send(house: VerifiedHouse) -> None:
    await house.publish(only="RSA")
    found = await house.verify()
    assert found.domain.is_verified
    assert (found.check.bounces, found.check.receiving) == (Seen.NO, Seen.NO)


async def test_the_ed25519_key_alone_is_not(house: VerifiedHouse) -> None:
    await house.publish(only="Ed25519")
    found = await house.verify()
    assert found.check.sending is Seen.NO
    assert not found.domain.is_verified


async def test_a_key_that_was_cut_off_is_wrong(house: VerifiedHouse) -> None:
    [record] = [record for record in await house.records() if "RSA" in record.purpose]
    house.publish_record(replace(record, value=record.value[:255]))
    found = await house.verify()
    assert found.check.sending is Seen.NO
    [look] = [look for look in found.looks if look.record.name == record.name]
    assert look.judgement is Judgement.WRONG
    assert look.found == (record.value[:255],)


@pytest.mark.parametrize("mood", ["fails", "refuses", "is_lame"])
async def test_trouble_with_the_dns_takes_nothing_away(house: VerifiedHouse, mood: str) -> None:
    await house.publish()
    before = (await house.verify()).domain
    await house.everything(mood)
    house.clock.advance(GRACE * 3)
    found = await house.verify()
    assert {look.seen for look in found.looks} == {Seen.UNKNOWN}
    after = found.domain
    assert after.checked_at == house.clock.now()
    assert replace(after, checked_at=before.checked_at, check_result=before.check_result) == before


async def test_trouble_with_the_dns_gives_nothing_either(house: VerifiedHouse) -> None:
    await house.everything("fails")
    assert not (await house.verify()).domain.is_verified


async def test_records_that_are_gone_count_after_a_time_of_grace(house: VerifiedHouse) -> None:
    await house.publish()
    await house.verify()
    await house.everything("forget")
    first = await house.verify()
    assert first.domain.is_verified
    assert first.domain.bounces_verified_at is None
    house.clock.advance(GRACE)
    assert not (await house.verify()).domain.is_verified


async def test_an_mx_of_another_name_counts_when_it_has_our_address(house: VerifiedHouse) -> None:
    house.dns.mx("example.test", (10, "relay.example.test"))
    house.dns.address("relay.example.test", ADDRESS)
    found = await house.verify()
    assert found.check.receiving is Seen.YES
    assert found.domain.receives_at is not None


async def test_being_the_second_choice_does_not_count(house: VerifiedHouse) -> None:
    house.dns.mx("example.test", (10, "mx.elsewhere.test"), (20, "mail.example.test"))
    house.dns.address("mx.elsewhere.test", "198.51.100.7")
    found = await house.verify()
    assert found.check.receiving is Seen.NO
    [look] = [look for look in found.looks if look.record.type == "MX" and look.record.name == "example.test"]
    assert "mx.elsewhere.test" in look.note


async def test_an_exchanger_whose_address_is_not_known_now_decides_nothing(house: VerifiedHouse) -> None:
    house.dns.mx("example.test", (10, "relay.example.test"))
    house.dns.fails("relay.example.test")
    assert (await house.verify()).check.receiving is Seen.UNKNOWN


async def test_a_null_mx_is_no_mail_here(house: VerifiedHouse) -> None:
    house.dns.null_mx("example.test")
    assert (await house.verify()).check.receiving is Seen.NO


async def test_what_the_owner_vouched_for_is_not_taken_back(house: VerifiedHouse) -> None:
    await house.station.directory.change(
        lambda tx: domain_changes.assume_verified(tx, house.clock, house.domain, receives=True, bounces=True)
    )
    house.clock.advance(GRACE * 2)
    after = (await house.verify()).domain
    assert after.is_verified
    assert after.receives_at is not None
    assert after.bounces_verified_at is not None


async def test_a_key_file_that_is_open_to_others_is_told_and_decides_nothing(house: VerifiedHouse) -> None:
    await house.publish()
    await house.verify()
    house.station.keys.forget()
    for file in house.station.config.dkim.key_dir.glob("*/*.pem"):
        file.chmod(0o644)
    found = await house.verify()
    assert "chmod" in found.key_fault
    assert found.check.sending is Seen.UNKNOWN
    assert found.check.receiving is Seen.YES
    assert found.domain.is_verified


async def test_what_stands_in_the_dns_is_safe_to_show(house: VerifiedHouse) -> None:
    house.dns.add("_dmarc.example.test", "TXT", r'"v=DMARC1\; p=none\027[31m\255"')
    found: Verification = await house.verify()
    [look] = [look for look in found.looks if look.record.name == "_dmarc.example.test"]
    assert "\x1b" not in look.found[0]
    assert look.found[0].isprintable()
    assert (await house.now()).check_result["details"]["records"][3]["found"] == list(look.found)


async def track(house: VerifiedHouse, host: str = "links.example.test") -> None:
    domain = await house.now()
    wanted = domains.Tracking(clicks=True, host=host)
    await house.station.directory.change(
        lambda tx: domain_changes.set_tracking(tx, house.clock, domain, wanted)
    )


async def test_a_tracking_host_is_used_once_it_leads_here(house: VerifiedHouse) -> None:
    await house.publish()
    name = f"links.{house.domain.name}"
    await track(house, name)
    found = await house.verify()
    (look,) = [each for each in found.looks if each.record.type == "CNAME"]
    assert (look.record.name, look.record.value, look.judgement) == (name, HOSTNAME, Judgement.MISSING)
    assert (await house.now()).tracking.usable_host is None

    house.dns.cname(name, f"{HOSTNAME}.")
    await house.verify()
    assert (await house.now()).tracking.usable_host == name
    house.dns.fails(name)
    await house.verify()
    assert (await house.now()).tracking.usable_host == name  # trouble says nothing


async def test_a_tracking_host_that_leads_elsewhere_is_left(house: VerifiedHouse) -> None:
    await house.publish()
    name = f"links.{house.domain.name}"
    await track(house, name)
    house.dns.cname(name, f"{HOSTNAME}.")
    await house.verify()
    house.dns.forget(name)
    house.dns.cname(name, "elsewhere.example.")
    found = await house.verify()
    (look,) = [each for each in found.looks if each.record.type == "CNAME"]
    assert (look.judgement, look.note) == (Judgement.WRONG, f"{name} leads to elsewhere.example")
    assert (await house.now()).tracking.usable_host is None


async def test_an_address_of_the_house_will_do_for_a_tracking_host(house: VerifiedHouse) -> None:
    await house.publish()
    name = f"links.{house.domain.name}"
    await track(house, name)
    house.dns.address(HOSTNAME, ADDRESS)
    house.dns.address(name, ADDRESS)
    await house.verify()
    assert (await house.now()).tracking.usable_host == name


async def test_what_was_seen_of_another_host_says_nothing_of_a_new_one(house: VerifiedHouse) -> None:
    old = f"links.{house.domain.name}"
    await track(house, old)
    before = await house.now()
    await track(house, f"new.{house.domain.name}")
    check = domain_checks.DomainCheck(Seen.YES, tracking=Seen.YES)
    after = await house.station.directory.change(
        lambda tx: domain_checks.record_check(tx, house.clock, before, check)
    )
    assert (after.tracking.host, after.tracking.usable_host) == (f"new.{house.domain.name}", None)
