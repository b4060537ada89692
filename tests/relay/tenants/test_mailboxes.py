"""What a mailbox is made of, what it may refer to, and what is said about every change."""

from typing import Any

import pytest

from relay.address import parse_address
from relay.config import WarmupPlan
from relay.errors import AlreadyExists, InvalidInput, NotFound
from relay.events import log
from relay.tenants import mailboxes, tenants
from relay.tenants.mailboxes import MailboxStatus
from relay.tenants.sender_patterns import SenderPattern
from relay.tenants.tenants import DEFAULT_TENANT
from tests.relay.tenants.house import House


async def test_what_was_asked_for_is_what_is_read_again(house: House) -> None:
    made = await house.add_mailbox(
        "Ann@Example.TEST",
        name="Ann",
        daily_cap=40,
        warmup=WarmupPlan(start=5),
        warmup_name="slow",
        senders=["app-*@example.test", "*@example.test"],
        aliases=["Sales@example.test", "info@example.test"],
        pool="news",
        fix_line_ends=False,
    )

    read = await mailboxes.get(house.db, DEFAULT_TENANT, "ann@example.test")
    assert read == made == await mailboxes.get(house.db, DEFAULT_TENANT, made.id)
    assert str(read) == "ann@example.test"
    assert [str(alias) for alias in read.aliases] == ["info@example.test", "sales@example.test"]
    assert read.warmup is not None
    assert (read.warmup.plan.start, read.warmup.name) == (5, "slow")
    assert read.id.startswith("inb_")


async def test_making_and_changing_is_told(house: House) -> None:
    mailbox = await house.add_mailbox("ann@example.test")
    await house.change(mailbox, daily_cap=5, status=MailboxStatus.PAUSED)
    await house.remove(mailbox)

    events = [event for event in await log.after(house.db, 0, 100) if event.mailbox_id == mailbox.id]
    assert [event.kind for event in events] == ["mailbox.created", "mailbox.updated", "mailbox.removed"]
    assert events[1].data == {"address": "ann@example.test", "changed": ["daily_cap", "status"]}


async def test_a_change_leaves_what_it_does_not_name(house: House) -> None:
    before = await house.add_mailbox(
        "ann@example.test", name="Ann", daily_cap=5, aliases=["info@example.test"], pool="news"
    )
    after = await house.change(before, pool=None, senders=["*@example.test"])
    assert (after.name, after.daily_cap, after.aliases, after.pool) == ("Ann", 5, before.aliases, None)
    assert after == await mailboxes.get(house.db, DEFAULT_TENANT, before.id)


async def test_a_cap_can_be_taken_away_again(house: House) -> None:
    mailbox = await house.add_mailbox("ann@example.test", daily_cap=5, warmup=WarmupPlan())
    after = await house.change(mailbox, daily_cap=None, warmup=None)
    assert (after.daily_cap, after.warmup) == (None, None)


@pytest.mark.parametrize("address", ["ann@example.test", "ANN@EXAMPLE.test", "info@example.test"])
async def test_an_address_has_one_owner(house: House, address: str) -> None:
    await house.add_mailbox("ann@example.test", aliases=["info@example.test"])
    with pytest.raises(AlreadyExists, match="mailbox or an alias"):
        await house.add_mailbox(address)
    with pytest.raises(AlreadyExists, match="mailbox or an alias"):
        await house.add_mailbox("bob@example.test", aliases=[address])
    assert await house.directory.mailbox_for_address(parse_address("bob@example.test")) is None


async def test_a_mailbox_cannot_be_its_own_alias(house: House) -> None:
    with pytest.raises(AlreadyExists):
        await house.add_mailbox("ann@example.test", aliases=["ann@example.test"])


async def test_aliases_can_be_replaced_by_some_of_the_same(house: House) -> None:
    mailbox = await house.add_mailbox("ann@example.test", aliases=["a@example.test", "b@example.test"])
    after = await house.change(mailbox, aliases=["b@example.test", "c@example.test"])
    assert [str(alias) for alias in after.aliases] == ["b@example.test", "c@example.test"]
    await house.add_mailbox("a@example.test")


async def test_everything_belongs_to_the_same_tenant(house: House) -> None:
    other = await house.db.transact(lambda tx: tenants.add(tx, house.clock, "other"))
    await house.add_domain("other.test", tenant_id=other.id)

    with pytest.raises(NotFound, match=r"no domain other\.test"):
        await house.add_mailbox("ann@other.test")
    with pytest.raises(InvalidInput, match=r"other\.test is not one of your domains"):
        await house.add_mailbox("ann@example.test", senders=["*@other.test"])
    with pytest.raises(InvalidInput, match=r"other\.test is not one of your domains"):
        await house.add_mailbox("ann@example.test", aliases=["ann@other.test"])
    theirs = await house.add_mailbox("ann@other.test", tenant_id=other.id)
    with pytest.raises(NotFound):
        await mailboxes.get(house.db, DEFAULT_TENANT, theirs.id)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("daily_cap", -1),
        ("daily_cap", 1 << 40),
        ("name", "x" * 201),
        ("name", "a\nb"),
        ("pool", "a\x00b"),
        ("senders", ["*@*.example.test"]),
        ("senders", [f"{number}@example.test" for number in range(101)]),
        ("aliases", ["no address"]),
        ("aliases", [f"{number}@example.test" for number in range(101)]),
    ],
)
async def test_what_cannot_be_meant_is_refused(house: House, field: str, value: Any) -> None:
    with pytest.raises(InvalidInput):
        await house.add_mailbox("ann@example.test", **{field: value})
    assert await mailboxes.list_of_tenant(house.db, DEFAULT_TENANT) == []


async def test_lists_go_from_the_newest_page_by_page(house: House) -> None:
    made = [await house.add_mailbox(f"box{number}@example.test") for number in range(5)]
    expected = sorted(made, key=lambda mailbox: mailbox.id, reverse=True)
    first = await mailboxes.list_of_tenant(house.db, DEFAULT_TENANT, limit=2)
    rest = await mailboxes.list_of_tenant(house.db, DEFAULT_TENANT, limit=9, before_id=first[-1].id)
    assert first + rest == expected


async def test_a_pool_has_its_active_mailboxes(house: House) -> None:
    one = await house.add_mailbox("a@example.test", pool="news")
    two = await house.add_mailbox("b@example.test", pool="news")
    await house.add_mailbox("c@example.test", pool="other")
    await house.change(two, status=MailboxStatus.PAUSED)
    assert await mailboxes.of_pool(house.db, DEFAULT_TENANT, "news") == [one]


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        (
            "*@example.test",
            ["a@example.test", "A.b+c@example.test"],
            ["a@sub.example.test", "a@xexample.test"],
        ),
        (
            "app-*@example.test",
            ["app-1@example.test", "APP-@example.test"],
            ["app@example.test", "x@example.test"],
        ),
        ("*-bot@example.test", ["a-bot@example.test"], ["bot@example.test", "a-bots@example.test"]),
        ("aba*aba@example.test", ["abaaba@example.test"], ["aba@example.test", "ababa@example.test"]),
        ("Ann@EXAMPLE.test", ["ann@example.test"], ["anna@example.test"]),
        ("*@bücher.test", ["a@bücher.test", "a@xn--bcher-kva.test"], ["a@bucher.test"]),
    ],
)
def test_patterns_match_what_they_show(pattern: str, matching: list[str], others: list[str]) -> None:
    parsed = SenderPattern.parse(pattern)
    assert all(parsed.matches(parse_address(text)) for text in matching)
    assert not any(parsed.matches(parse_address(text)) for text in others)
    assert SenderPattern.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "*",
        "example.test",
        "*@*",
        "a*b*@example.test",
        '"*"@example.test',
        "*@",
        "a b*@x.test",
        "*@[192.0.2.1",
        ".*@x.test",
    ],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        SenderPattern.parse(text)
