"""Nobody writes from an address that is not theirs, by whichever field it is named."""

import smtplib

import pytest

from relay.queue.state import State
from relay.store.database import Transaction
from relay.tenants import domain_changes, mailbox_changes
from relay.tenants.mailbox_changes import MailboxChanges
from relay.tenants.mailboxes import MailboxStatus
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House

ME = f"app@{OURS}"


def message(*fields: str) -> bytes:
    return "".join(f"{field}\r\n" for field in (*fields, "Subject: hello", "", "text")).encode()


async def refusal(house: House, *fields: str, reverse_path: str = ME, login: str = ME) -> str:
    """Code and enhanced code of the answer to MAIL or to the content; nothing may be left of it."""
    before = await house.count("messages")
    with pytest.raises(smtplib.SMTPException) as caught:
        await house.submit(message=message(*fields), reverse_path=reverse_path, login=login)
    assert await house.count("messages") == before
    assert isinstance(caught.value, smtplib.SMTPResponseException)
    assert isinstance(caught.value.smtp_error, bytes)
    return f"{caught.value.smtp_code} {caught.value.smtp_error.decode().partition(' ')[0]}"


@pytest.mark.parametrize(
    "fields",
    [
        ["From: boss@ours.test"],
        ["From: boss@elsewhere.test"],
        ["From: app@ours.test, boss@ours.test"],
        ["From: app@ours.test", "Sender: boss@ours.test"],
        ['From: "app@ours.test" <boss@ours.test>'],
        ["From: friends: app@ours.test, boss@ours.test;"],
        ["From: app@ours.test", "Resent-From: boss@ours.test"],
    ],
    ids=["other", "stranger", "one of several", "sender", "display name", "group", "resent"],
)
async def test_a_header_that_names_somebody_else_is_refused(house: House, fields: list[str]) -> None:
    assert await refusal(house, *fields) == "553 5.7.1"


@pytest.mark.parametrize(
    "fields", [[], ["From: app@ours.test", "From: app@ours.test"], ["From: nobody in particular"], ["From:"]]
)
async def test_a_header_without_one_clear_author_is_refused(house: House, fields: list[str]) -> None:
    assert await refusal(house, *fields) == "550 5.6.0"


async def test_somebody_elses_reverse_path_is_refused_at_mail(house: House) -> None:
    await house.mailbox(f"boss@{OURS}")
    assert await refusal(house, f"From: {ME}", reverse_path=f"boss@{OURS}") == "553 5.7.1"


async def test_aliases_and_patterns_are_ones_own(house: House) -> None:
    await house.mailbox(f"shop@{OURS}", aliases=[f"sales@{OURS}"], senders=[f"*@{OURS}"])
    login = f"shop@{OURS}"
    for author in (f"shop@{OURS}", f"sales@{OURS}", f"any.thing@{OURS}", f"Shop@{OURS.upper()}"):
        sent = await house.submit(
            sender=author, message=message(f"From: {author}", f"Sender: {login}"), login=login
        )
        assert await sent.state() is State.QUEUED


async def test_the_null_reverse_path_is_free_but_from_is_checked(house: House) -> None:
    sent = await house.submit(message=message(f"From: {ME}"), reverse_path="", login=ME)
    await house.run_until_idle()
    assert house.mx.received[0].reverse_path == ""
    assert await sent.state() is State.DELIVERED
    assert await refusal(house, f"From: boss@{OURS}", reverse_path="") == "553 5.7.1"


async def test_an_unverified_domain_may_not_be_written_from(house: House) -> None:
    async def work(tx: Transaction) -> None:
        await domain_changes.add(tx, house.clock, DEFAULT_TENANT, "new.test")

    await house.station.directory.change(work)
    await house.mailbox("app@new.test")
    assert (
        await refusal(house, "From: app@new.test", reverse_path="app@new.test", login="app@new.test")
        == "550 5.7.1"
    )


async def test_a_paused_mailbox_sends_nothing_for_now(house: House) -> None:
    await pause(house)
    assert await refusal(house, f"From: {ME}") == "451 4.7.1"
    assert await refusal(house, f"From: {ME}", reverse_path="") == "451 4.7.1"


@pytest.fixture
async def trusting_house(make_house: MakeHouse) -> House:
    return await make_house({"submission.trusted_networks": ["127.0.0.0/8"]})


async def test_from_a_trusted_network_the_reverse_path_names_the_mailbox(trusting_house: House) -> None:
    house = trusting_house
    sent = await house.submit(message=message(f"From: {ME}"), login="")
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.used_today() == 1
    # The reverse path's rules hold for From.
    await house.mailbox(f"boss@{OURS}")
    assert await refusal(house, f"From: boss@{OURS}", login="") == "553 5.7.1"
    assert await refusal(house, f"From: {ME}", reverse_path=f"nobody@{FAR}", login="") == "553 5.7.1"


async def test_from_a_trusted_network_the_null_path_leaves_it_to_from(trusting_house: House) -> None:
    house = trusting_house
    sent = await house.submit(message=message(f"From: {ME}"), reverse_path="", login="")
    assert (await sent.stored()).header_from == ME
    assert await house.used_today() == 1
    assert await refusal(house, f"From: who@{FAR}", reverse_path="", login="") == "553 5.7.1"
    assert await refusal(house, reverse_path="", login="") == "550 5.6.0"


async def test_from_a_trusted_network_the_cap_of_that_mailbox_holds(trusting_house: House) -> None:
    house = trusting_house
    await house.mailbox(f"small@{OURS}", daily_cap=1)
    small = f"small@{OURS}"
    await house.submit(sender=small, message=message(f"From: {small}"), login="")
    with pytest.raises(smtplib.SMTPRecipientsRefused, match=r"4\.7\.1"):
        await house.submit(f"bob@{FAR}", sender=small, message=message(f"From: {small}"), login="")
    assert await refusal(house, f"From: {small}", reverse_path="", login="") == "451 4.7.1"


async def pause(house: House) -> None:
    async def work(tx: Transaction) -> None:
        await mailbox_changes.update(
            tx, house.clock, DEFAULT_TENANT, ME, MailboxChanges(status=MailboxStatus.PAUSED)
        )

    await house.station.directory.change(work)
