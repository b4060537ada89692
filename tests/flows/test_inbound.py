"""Mail for us is kept as it came, for everybody it is for; nobody relays through us."""

import pytest

from inbound.recipients import Recipients
from relay.message.headers import Header
from relay.queue.state import State
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

RAW = (
    b"Received: from a.example by b.example; Mon, 02 Mar 2026 08:00:00 +0000\r\n"
    b"From:  Ann <ann@far.example>\r\nTo: app@ours.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"X-Odd:\t  kept \r\n\r\n.dot\r\n\xff\xfe 8-bit\r\n"
)


async def deliver(house: House, *paths: str, content: bytes = RAW, sender: str = f"ann@{FAR}") -> list[str]:
    """Replies to each RCPT, then that to the content if anybody was accepted."""
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        assert (await client.say(f"MAIL FROM:<{sender}>")).startswith("250 ")
        replies = [await client.say(f"RCPT TO:{path}") for path in paths]
        if any(reply.startswith("250") for reply in replies):
            stuffed = content.replace(b"\r\n.", b"\r\n..")
            replies.append(await client.data(stuffed + b".\r\n"))
        return replies


async def test_mail_is_kept_as_it_came_below_our_trace(house: House) -> None:
    replies = await deliver(house, f"<app@{OURS}>")
    assert replies[1].startswith("250 2.0.0 ")
    (message,) = await house.received_by(f"app@{OURS}")
    raw = await house.raw(message)
    assert raw.endswith(RAW)
    head = Header.parse(raw[: -len(RAW)])
    assert [field.name_lower for field in head.fields] == ["return-path", "received"]
    assert head.first("return-path") == f"<ann@{FAR}>"
    assert "from mx.far.example ([127.0.0.1])" in (head.first("received") or "")
    assert message.subject == "Grüße"
    assert message.size == len(raw)


async def test_a_large_message_is_kept_too_and_leaves_nothing_behind(house: House) -> None:
    large = RAW + b"0123456789\r\n" * 50_000
    await deliver(house, f"<app@{OURS}>", content=large)
    (message,) = await house.received_by(f"app@{OURS}")
    assert (await house.raw(message)).endswith(large)
    assert house.leftovers() == []


async def test_two_mailboxes_get_a_copy_each_and_one_gets_one(house: House) -> None:
    await house.mailbox(f"ann@{OURS}", aliases=[f"anna@{OURS}"])
    paths = [f"<app@{OURS}>", f"<ann@{OURS}>", f"<anna@{OURS}>", f"<ann+tag@{OURS}>"]
    replies = await deliver(house, *paths)
    assert all(reply.startswith("250 ") for reply in replies)
    assert len(await house.received_by(f"app@{OURS}")) == 1
    (copy,) = await house.received_by(f"ann@{OURS}")
    # No copy tells of the other recipient.
    assert f"for <app@{OURS}>".encode() not in await house.raw(copy)


@pytest.mark.parametrize(
    "path",
    [
        f"<app@{OURS}>",
        f"<APP@{OURS.upper()}>",
        f"<app+news@{OURS}>",
        f'<"app"@{OURS}>',
        "<postmaster>",
        "<PostMaster>",
        f"<postmaster@{OURS}>",
        f"<abuse@{OURS}>",
        f"<sales@{OURS}>",
        f"<@old.example:app@{OURS}>",
    ],
)
async def test_who_is_here_is_found(house: House, path: str) -> None:
    await house.mailbox(f"shop@{OURS}", aliases=[f"sales@{OURS}"])
    assert (await deliver(house, path))[0].startswith("250 2.1.5")


@pytest.mark.parametrize("local", ["nobody", "app.", "ap", "+app", "bounces", "b+1234", "root"])
async def test_who_is_not_here_is_refused_at_rcpt(house: House, local: str) -> None:
    (reply,) = await deliver(house, f"<{local}@{OURS}>")
    assert reply.startswith(("550 5.1.1 ", "501 5.1.3 "))
    assert await house.count("messages") == 0


STRANGE = [
    "<ann@far.example>",
    "<postmaster@far.example>",
    "<abuse@far.example>",
    "<app%ours.test@far.example>",
    "<app@ours.test@far.example>",
    "<ann%far.example@ours.test>",
    "<ann%far.example>",
    '<"ann%far.example"@ours.test>',
    '<"ann@far.example"@ours.test>',
    '<"ann@far.example">',
    "<far.example!ann>",
    "<far.example!ann@ours.test>",
    "<ours.test!far.example!ann>",
    "<@ours.test:ann@far.example>",
    "<@ours.test,@b.test:ann@far.example>",
    "<@far.example:ann>",
    "<ann@[127.0.0.1]>",
    "<ann@[10.0.0.1]>",
    "<app@[127.0.0.1]>",
    "<postmaster@[127.0.0.1]>",
    "<ann@[IPv6:::1]>",
    "<ann@far.example.>",
    "<app@ours.test.>",
    "<app@sub.ours.test>",
    "<app@ours.test.far.example>",
    "<app@xours.test>",
    "<app@ours.tes>",
    "<ann>",
    "<>",
    "< app@far.example>",
    "<ann@far.example >",
    "ann@far.example",
    "<ann@far.example><app@ours.test>",
    "<app@ours.test>,<ann@far.example>",
    "<ann@far.example>app@ours.test",
    "<=?utf-8?q?ann=40far.example?=@ours.test>",
    "<=?utf-8?q?app=40ours.test=3e?=@far.example>",
    "<app@ours.test\\@far.example>",
    '<"app\\@ours.test"@far.example>',
    "<app@ours.test(comment)@far.example>",
    "<ann@far_example>",
    "<ann@far..example>",
    "<ann@1.2.3.4>",
    "<ann@0x7f000001>",
]


@pytest.mark.parametrize("path", STRANGE)
async def test_nobody_relays_through_us_however_it_is_spelled(house: House, path: str) -> None:
    (reply,) = await deliver(house, path)
    assert reply[:3] in ("550", "501", "553", "555")
    assert reply[4:9] in ("5.7.1", "5.1.1", "5.1.3", "5.5.4")
    await house.run_until_idle()
    assert house.mx.received == []
    assert await house.count("messages") == 0


def test_the_spellings_are_forty_at_least() -> None:
    assert len(set(STRANGE)) >= 40


async def test_the_null_path_is_welcome(house: House) -> None:
    assert (await deliver(house, f"<app@{OURS}>", sender=""))[1].startswith("250 ")
    (message,) = await house.received_by(f"app@{OURS}")
    assert (await house.raw(message)).startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"Subject: x\r\n\r\na\nb\r\n", "554 5.6.0"),
        (b"Subject: x\r\n\r\na\rb\r\n", "554 5.6.0"),
        (b"Subject: x\r\n\r\na\0b\r\n", "554 5.6.0"),
        (b"Received: by x\r\n" * 101 + b"\r\n", "554 5.4.6"),
    ],
    ids=["bare LF", "bare CR", "NUL", "loop"],
)
async def test_content_that_must_not_be_stored_is_refused(house: House, content: bytes, reply: str) -> None:
    assert (await deliver(house, f"<app@{OURS}>", content=content))[1].startswith(reply)
    assert await house.count("messages") == 0
    assert house.leftovers() == []


async def test_a_header_that_nobody_can_read_is_kept_all_the_same(house: House) -> None:
    odd = b"no field\r\n\x80\x81: \xff\r\n\r\nbody\r\n"
    assert (await deliver(house, f"<app@{OURS}>", content=odd))[1].startswith("250 ")
    (message,) = await house.received_by(f"app@{OURS}")
    assert (await house.raw(message)).endswith(odd)


async def test_the_mailbox_for_postmaster_is_as_configured(house: House) -> None:
    await house.mailbox(f"chief@{OURS}")
    asked = Recipients(
        house.station.db,
        house.station.directory,
        house.station.bounce_secret,
        house.station.link_secret,
        f"chief@{OURS}",
    )
    house.way_in.receiver.recipients = asked
    await deliver(house, "<postmaster>", f"<abuse@{OURS}>")
    assert len(await house.received_by(f"chief@{OURS}")) == 1


async def test_local_mail_takes_the_same_path_and_leaves_no_copy_behind(house: House) -> None:
    await house.mailbox(f"ann@{OURS}")
    written = b"From: app@ours.test\r\nMessage-ID: <1@x>\r\n\r\n" + b"z" * 900 + b"\r\n"
    sent = await house.submit(
        to=[f"ann@{OURS}", f"nobody@{OURS}", f"app+x@{OURS}"], message=written + b"0123456789\r\n" * 30_000
    )
    await house.run_until_idle()
    states = [recipient.state for recipient in await sent.recipients()]
    assert states == [State.DELIVERED, State.BOUNCED, State.DELIVERED]
    (message,) = await house.received_by(f"ann@{OURS}")
    raw = await house.raw(message)
    assert raw.endswith(written[written.index(b"\r\n\r\n") :] + b"0123456789\r\n" * 30_000)
    assert raw.count(b"DKIM-Signature:") == 2
    assert house.leftovers() == []


async def test_hops_are_as_configured(make_house: MakeHouse) -> None:
    house = await make_house({"limits.received_hops": 5})
    assert house.way_in.receiver.received_hops == 5
