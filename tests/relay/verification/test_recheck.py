"""Domains are looked at again when it is their turn, and only then."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.tenants.domains import Domain, DomainStatus
from relay.verification import is_due, recheck_due
from tests.relay.verification.house import VerifiedHouse, add_domain

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def test_a_new_domain_is_verified_soon_after_its_records_appear(house: VerifiedHouse) -> None:
    assert [found.domain.is_verified for found in await recheck_due(house.station)] == [False]
    await house.publish()
    house.station.resolver.forget()
    assert await recheck_due(house.station) == []
    house.clock.advance(minutes=5)
    assert [found.domain.is_verified for found in await recheck_due(house.station)] == [True]
    house.clock.advance(hours=23)
    assert await recheck_due(house.station) == []
    house.clock.advance(hours=1)
    assert len(await recheck_due(house.station)) == 1


@pytest.mark.parametrize(
    ("age", "since", "due"),
    [
        (HOUR, 4 * MINUTE, False),
        (HOUR, 5 * MINUTE, True),
        (2 * DAY, 59 * MINUTE, False),
        (2 * DAY, HOUR, True),
    ],
)
async def test_a_pending_domain_is_due(
    house: VerifiedHouse, age: timedelta, since: timedelta, due: bool
) -> None:
    now = house.clock.now()
    assert is_due(replace(house.domain, created_at=now - age, checked_at=now - since), now) is due


@pytest.mark.parametrize(
    ("result", "since", "due"),
    [
        ({"sending": "yes"}, 23 * HOUR, False),
        ({"sending": "yes"}, DAY, True),
        ({"sending": "unknown"}, HOUR, True),
        ({"sending": "no", "missing_since": 1}, HOUR, True),
        ({"sending": "no", "missing_since": 1}, 59 * MINUTE, False),
    ],
)
async def test_a_verified_domain_is_due(
    house: VerifiedHouse, result: dict[str, object], since: timedelta, due: bool
) -> None:
    now = house.clock.now()
    domain: Domain = replace(
        house.domain,
        status=DomainStatus.VERIFIED,
        created_at=now - 30 * DAY,
        checked_at=now - since,
        check_result=result,
    )
    assert is_due(domain, now) is due


async def test_a_domain_whose_keys_are_lost_is_told_and_stops_no_other(
    house: VerifiedHouse, caplog: pytest.LogCaptureFixture
) -> None:
    other = await add_domain(house.station, "other.test")
    (house.station.config.dkim.key_dir / "example.test").rename(house.station.config.dkim.key_dir / "away")
    house.station.keys.forget()
    found = await recheck_due(house.station)
    assert {each.domain.name: bool(each.key_fault) for each in found} == {
        "example.test": True,
        other.name: False,
    }
    assert "example.test: no DKIM key" in caplog.text


async def test_the_longest_waiting_come_first_and_no_more_than_asked(house: VerifiedHouse) -> None:
    await add_domain(house.station, "other.test")
    first = await recheck_due(house.station, most=1)
    second = await recheck_due(house.station, most=1)
    assert {first[0].domain.name, second[0].domain.name} == {"example.test", "other.test"}


@pytest.mark.parametrize(("name", "due"), [("demo.test", False), ("example.com", True)])
async def test_a_domain_for_trying_out_asks_no_nameserver(house: VerifiedHouse, name: str, due: bool) -> None:
    domain = replace(house.domain, name=name, check_result={"assumed": True})
    assert is_due(domain, house.clock.now()) is due
