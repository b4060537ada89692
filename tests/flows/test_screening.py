"""What block lists and a spam filter say is kept with the letter, and refuses only where it is to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from inbound.letters import records
from inbound.letters.letter import Letter
from inbound.listener import InboundDoor
from inbound.screening import Screening, SpamVerdict
from relay.config.values import read_network
from relay.smtp_server import SmtpListener, SmtpManners, listen
from tests.fakes.dns_server import FakeDns
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House
from tests.inbound.http_fake import http_fake, json_answer
from tests.relay.smtp_server.client import Client

CLIENT = "198.51.100.7"
MESSAGE = b"From: ann@far.example\r\nMessage-ID: <1@far.example>\r\n\r\nhello\r\n"
SPAM = json_answer('{"action": "reject", "score": 21.5, "symbols": {"GTUBE": {}}}')
PERHAPS = json_answer('{"action": "add header", "score": 7, "symbols": {}}')
HAM = json_answer('{"action": "no action", "score": 0.5, "symbols": {}}')

OpenDoor = Callable[[House], Awaitable[SmtpListener]]


@pytest.fixture
async def open_door() -> AsyncIterator[OpenDoor]:
    """The house's MX behind a load balancer on loopback that names the client."""
    listeners = []

    async def open_one(house: House) -> SmtpListener:
        way_in, loopback = house.way_in, (read_network("127.0.0.0/8"),)
        door = InboundDoor(way_in.receiver, way_in.doorkeeper, way_in.judge, way_in.screener)
        spool = house.station.shelf.incoming
        manners = SmtpManners(hostname="mx", spool=spool, proxy_protocol_from=loopback, offers_dsn=False)
        listeners.append(await listen(("127.0.0.1", 0), door, manners))
        return listeners[-1]

    yield open_one
    for listener in listeners:
        await listener.drain(timedelta(seconds=5))


async def send(listener: SmtpListener, *recipients: str, times: int = 1) -> list[str]:
    """Codes for RCPT, and for the content of each message of which one was positive."""
    header = f"PROXY TCP4 {CLIENT} 192.0.2.2 4711 25\r\n".encode()
    replies = []
    async with await Client.open(listener.port, first=header) as client:
        await client.say("EHLO mx.far.example")
        for _ in range(times):
            assert (await client.say(f"MAIL FROM:<ann@{FAR}>")).startswith("250")
            answers = [await client.say(f"RCPT TO:<{recipient}>") for recipient in recipients]
            if any(answer.startswith("250") for answer in answers):
                answers.append(await client.data(MESSAGE + b".\r\n"))
            replies += answers
    return [reply[:9] for reply in replies]


async def only_letter(house: House) -> Letter:
    await house.run_until_idle()
    (message,) = await house.received_by(f"app@{OURS}")
    letter = await records.find(house.station.db, message.id)
    assert letter is not None
    return letter


def list_the_client(dns: FakeDns, zone: str = "bl.test") -> None:
    dns.address(f"7.100.51.198.{zone}", "127.0.0.2")


async def test_without_either_nothing_is_asked_or_kept(house: House, open_door: OpenDoor) -> None:
    await send(await open_door(house), f"app@{OURS}")
    assert (await only_letter(house)).screening is None


async def test_who_lists_the_client_is_kept_with_the_letter(
    make_house: MakeHouse, open_door: OpenDoor, dns: FakeDns
) -> None:
    house = await make_house({"inbound.dnsbl": ["other.test", "bl.test"]})
    list_the_client(dns)
    assert await send(await open_door(house), f"app@{OURS}") == ["250 2.1.5", "250 2.0.0"]
    assert (await only_letter(house)).screening == Screening(dnsbl=("bl.test",))


async def test_a_listed_client_is_refused_where_that_is_wanted_but_the_postmaster_hears_it(
    make_house: MakeHouse, open_door: OpenDoor, dns: FakeDns
) -> None:
    house = await make_house({"inbound.dnsbl": ["bl.test"], "inbound.on_dnsbl": "reject"})
    list_the_client(dns)
    recipients = [f"app@{OURS}", f"nobody@{OURS}", f"PostMaster@{OURS}", "postmaster", f"abuse@{OURS}"]
    replies = await send(await open_door(house), *recipients)
    assert replies == ["554 5.7.1", "554 5.7.1", "250 2.1.5", "250 2.1.5", "554 5.7.1", "250 2.0.0"]
    assert await house.count("messages") == 1


async def test_a_session_asks_the_lists_once(
    make_house: MakeHouse, open_door: OpenDoor, dns: FakeDns
) -> None:
    house = await make_house({"inbound.dnsbl": ["bl.test"], "inbound.on_dnsbl": "reject"})
    await send(await open_door(house), f"app@{OURS}", times=3)
    asked = [question for question in dns.asked if question[0].endswith("bl.test")]
    assert asked == [("7.100.51.198.bl.test", "A")]


async def test_lists_in_trouble_refuse_nobody(
    make_house: MakeHouse, open_door: OpenDoor, dns: FakeDns
) -> None:
    house = await make_house({"inbound.dnsbl": ["bl.test"], "inbound.on_dnsbl": "reject"})
    dns.fails("7.100.51.198.bl.test")
    assert await send(await open_door(house), f"app@{OURS}") == ["250 2.1.5", "250 2.0.0"]


async def test_networks_that_are_not_counted_are_not_asked_about(
    make_house: MakeHouse, open_door: OpenDoor, dns: FakeDns
) -> None:
    settings = {"inbound.dnsbl": ["bl.test"], "inbound.on_dnsbl": "reject"}
    house = await make_house({**settings, "inbound.uncounted_networks": [f"{CLIENT}/32"]})
    list_the_client(dns)
    assert await send(await open_door(house), f"app@{OURS}") == ["250 2.1.5", "250 2.0.0"]


@pytest.mark.parametrize(
    ("on_spam", "answer", "replies", "standing"),
    [
        ("mark", SPAM, ["250 2.1.5", "250 2.0.0"], "accepted"),
        ("quarantine", SPAM, ["250 2.1.5", "250 2.0.0"], "quarantined"),
        ("quarantine", PERHAPS, ["250 2.1.5", "250 2.0.0"], "quarantined"),
        ("quarantine", HAM, ["250 2.1.5", "250 2.0.0"], "accepted"),
        ("reject", SPAM, ["250 2.1.5", "554 5.7.1"], None),
        ("reject", PERHAPS, ["250 2.1.5", "250 2.0.0"], "quarantined"),
        ("reject", HAM, ["250 2.1.5", "250 2.0.0"], "accepted"),
        ("reject", b"", ["250 2.1.5", "250 2.0.0"], "accepted"),
    ],
)
async def test_spam_is_marked_put_aside_or_refused_as_configured(
    on_spam: str,
    answer: bytes,
    replies: list[str],
    standing: str | None,
    make_house: MakeHouse,
    open_door: OpenDoor,
) -> None:
    async with http_fake(answer) as fake:
        house = await make_house({"inbound.rspamd_url": fake.url, "inbound.on_spam": on_spam})
        assert await send(await open_door(house), f"app@{OURS}") == replies
    assert await house.count("messages") == (standing is not None)
    if standing is not None:
        assert (await only_letter(house)).standing == standing


async def test_what_the_filter_says_is_kept_with_the_letter(
    make_house: MakeHouse, open_door: OpenDoor
) -> None:
    async with http_fake(SPAM) as fake:
        house = await make_house({"inbound.rspamd_url": fake.url})
        await send(await open_door(house), f"app@{OURS}")
    spam = SpamVerdict("reject", 21.5, ("GTUBE",), is_spam=True)
    assert (await only_letter(house)).screening == Screening(spam=spam)
    assert f"IP: {CLIENT}" in fake.fields
    assert fake.body == MESSAGE
