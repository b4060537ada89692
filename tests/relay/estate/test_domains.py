"""A domain's keys are on disk while it is here, and only then."""

from pathlib import Path

import pytest

from relay.errors import AlreadyExists, NotFound
from relay.estate import domains, mailboxes
from relay.station import Station
from relay.tenants.mailbox_changes import NewMailbox
from tests.relay.control.conftest import station

__all__ = ["station"]

ME, OTHER = "ten_default", "ten_other"
NAME = "example.test"


def key_files(station: Station) -> list[Path]:
    return list(station.config.dkim.key_dir.rglob("*.pem"))


async def add(station: Station) -> domains.DomainView:
    async with domains.adding(station, ME, NAME) as work:
        return await station.directory.change(work)


async def test_the_keys_of_a_domain_that_was_not_added_are_gone(station: Station) -> None:
    async def fail() -> None:
        async with domains.adding(station, ME, NAME):
            assert len(key_files(station)) == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert key_files(station) == []
    added = await add(station)
    with pytest.raises(AlreadyExists):
        await add(station)
    assert {path.stem for path in key_files(station)} == {key.selector for key in added.selectors}


async def test_nothing_is_found_under_another_tenant(station: Station) -> None:
    await add(station)
    for asked in (
        domains.show(station, OTHER, NAME),
        domains.rotating(station, OTHER, NAME),
        domains.verify(station, OTHER, NAME),
        domains.set_catch_all(station, OTHER, NAME, None),
        domains.remove(station, OTHER, NAME),
    ):
        with pytest.raises(NotFound):
            await asked
    assert len(key_files(station)) == 2


async def test_a_catch_all_must_be_a_mailbox_of_the_tenant(station: Station) -> None:
    await add(station)
    with pytest.raises(NotFound):
        await domains.set_catch_all(station, ME, NAME, f"ann@{NAME}")
    new = NewMailbox(address=f"ann@{NAME}")
    added = await station.directory.change(mailboxes.adding(station, ME, new, mailboxes.Password()))
    view = await domains.set_catch_all(station, ME, NAME, f"ann@{NAME}")
    assert view.domain.catch_all == added.mailbox.id
    found = await station.directory.domain(NAME)
    assert found is not None
    assert found.catch_all == added.mailbox.id
