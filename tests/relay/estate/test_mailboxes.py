"""A mailbox goes with all that hangs on it, and a password is told only where one was made."""

import pytest

from relay.address import parse_address
from relay.errors import InvalidInput
from relay.estate import domains, mailboxes
from relay.estate.mailboxes import MailboxView, Password, chosen_password, made_password, read_plan
from relay.lists import RecipientNotAllowed, records
from relay.station import Station
from relay.tenants.mailbox_changes import MailboxChanges, NewMailbox
from tests.relay.control.conftest import station

__all__ = ["station"]

ME = "ten_default"
ANN = "ann@example.test"


async def add(station: Station, password: Password) -> MailboxView:
    async with domains.adding(station, ME, "example.test", assume_verified=True) as work:
        await station.directory.change(work)
    new = NewMailbox(address=ANN)
    return await station.directory.change(mailboxes.adding(station, ME, new, password))


async def test_without_a_password_nobody_logs_in(station: Station) -> None:
    added = await add(station, Password())
    assert added.smtp_password is None
    assert await station.directory.check_password(ANN, "") is None


async def test_a_made_password_is_told_and_a_chosen_one_is_not(station: Station) -> None:
    added = await add(station, made_password())
    assert added.smtp_password is not None
    assert await station.directory.check_password(ANN, added.smtp_password) is not None
    chosen = await chosen_password(station, "correct horse battery")
    work = mailboxes.changing(station, added.mailbox, MailboxChanges(), chosen)
    changed = await station.directory.change(work)
    assert changed.smtp_password is None
    assert await station.directory.check_password(ANN, added.smtp_password) is None
    assert await station.directory.check_password(ANN, "correct horse battery") is not None


async def test_a_change_is_made_whole_or_not_at_all(station: Station) -> None:
    added = await add(station, made_password())
    changes = MailboxChanges(name="Ann", senders=["*@nobody.test"])
    with pytest.raises(InvalidInput):
        await station.directory.change(mailboxes.changing(station, added.mailbox, changes, made_password()))
    assert added.smtp_password is not None
    assert await station.directory.check_password(ANN, added.smtp_password) is not None


async def test_its_lists_go_with_it_and_are_forgotten_at_once(station: Station) -> None:
    added = await add(station, Password())
    far = parse_address("bob@far.test")
    await station.lists.change(
        lambda tx: records.add(
            tx,
            station.clock,
            tenant_id=ME,
            direction="send",
            type="block",
            entry="far.test",
            mailbox_id=added.mailbox.id,
        )
    )
    with pytest.raises(RecipientNotAllowed):
        await station.lists.check(added.mailbox, [far])
    removed = await mailboxes.remove(station, added.mailbox)
    assert (removed.mailbox.id, removed.waiting) == (added.mailbox.id, 0)
    await station.lists.check(added.mailbox, [far])
    assert await records.list_page(station.db, ME, "send", "block") == []


async def test_a_plan_keeps_its_name_only_where_it_was_named(station: Station) -> None:
    assert read_plan(station, " gentle ")[1] == "gentle"
    assert read_plan(station, "5,10,20")[1] is None
    with pytest.raises(InvalidInput):
        read_plan(station, "no such plan")
