"""One allowance for each mailbox and day: whoever comes together, exactly as many pass as the cap says."""

import asyncio
import base64
import smtplib
from datetime import UTC, datetime

import pytest

from relay.errors import Refusal
from relay.events import log
from relay.policy.caps import DailyCapReached
from relay.queue.state import State
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, letter
from tests.relay.smtp_server.client import Client

pytestmark = pytest.mark.both_engines

SMALL = f"small@{OURS}"
ANN, BOB, CLEO = (f"{name}@{FAR}" for name in ("ann", "bob", "cleo"))
MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.fixture
async def capped(house: House) -> House:
    """A house with a mailbox that may write to two recipients a day."""
    await house.mailbox(SMALL, daily_cap=2)
    return house


def scheduled(at: str, sender: str = SMALL) -> bytes:
    return b"X-Posthouse-Send-At: " + at.encode() + b"\r\n" + letter(sender, ANN)


async def test_beyond_the_cap_a_recipient_is_refused_with_the_time_of_more(capped: House) -> None:
    await capped.submit(to=ANN, sender=SMALL)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        await capped.submit(to=[ANN, BOB], sender=SMALL)
    code, text = caught.value.recipients[BOB]
    assert code == 451
    assert text.startswith(b"4.7.1 ")
    assert b"2026-03-03T00:00:00Z" in text
    assert await capped.used_today(SMALL) == 1
    assert await capped.count("messages") == 1


async def test_the_next_day_has_an_allowance_of_its_own(capped: House) -> None:
    await capped.submit(to=[ANN, BOB], sender=SMALL)
    capped.clock.advance(hours=15)
    await capped.submit(to=[ANN, BOB], sender=SMALL)
    assert await capped.used_today(SMALL) == 2


async def test_a_race_that_is_lost_after_the_dot_stores_and_counts_nothing(capped: House) -> None:
    async with await Client.open(capped.submission.port) as slow:
        await slow.say("EHLO slow.test")
        await log_in(slow, capped, SMALL)
        await slow.say(f"MAIL FROM:<{SMALL}>")
        assert (await slow.say(f"RCPT TO:<{ANN}>")).startswith("250")
        assert (await slow.say(f"RCPT TO:<{BOB}>")).startswith("250")
        await capped.submit(to=CLEO, sender=SMALL)
        reply = await slow.data(letter(SMALL, ANN, body="x\r\n" * 70_000) + b".\r\n")
    assert reply.startswith("451 4.7.1 ")
    assert "2026-03-03T00:00:00Z" in reply
    assert await capped.used_today(SMALL) == 1
    assert await capped.count("messages") == 1
    assert await capped.count("recipients") == 1
    assert await capped.bodies() == set()
    assert capped.leftovers() == []


async def test_beyond_the_cap_a_new_message_for_a_known_recipient_is_refused_after_the_dot(
    capped: House,
) -> None:
    await capped.submit(to=[ANN, BOB], sender=SMALL)
    with pytest.raises(smtplib.SMTPDataError) as caught:
        await capped.submit(to=ANN, sender=SMALL, message=letter(SMALL, ANN, body="x\r\n" * 70_000))
    assert caught.value.smtp_code == 451
    assert isinstance(caught.value.smtp_error, bytes)
    assert caught.value.smtp_error.startswith(b"4.7.1 ")
    assert b"2026-03-03T00:00:00Z" in caught.value.smtp_error
    assert await capped.used_today(SMALL) == 2
    assert await capped.count("messages") == 1
    assert await capped.count("recipients") == 2
    assert await capped.bodies() == set()
    assert capped.leftovers() == []


async def test_beyond_the_cap_only_who_shared_a_message_passes_together(capped: House) -> None:
    await capped.submit(to=ANN, sender=SMALL)
    await capped.submit(to=BOB, sender=SMALL)
    async with await Client.open(capped.submission.port) as client:
        await client.say("EHLO mixed.test")
        await log_in(client, capped, SMALL)
        await client.say(f"MAIL FROM:<{SMALL}>")
        replies = [await client.say(f"RCPT TO:<{who}>") for who in (CLEO, ANN, BOB, CLEO, ANN)]
    assert [reply[:9] for reply in replies] == [
        *("451 4.7.1", "250 2.1.5", "451 4.7.1", "451 4.7.1", "250 2.1.5"),
    ]


@pytest.mark.parametrize("other", [{"reverse_path": ""}, {"login": f"shop@{OURS}"}], ids=["path", "login"])
async def test_beyond_the_cap_another_sender_is_refused_at_rcpt(capped: House, other: dict[str, str]) -> None:
    await capped.mailbox(f"shop@{OURS}", senders=[f"*@{OURS}"], daily_cap=0)
    written = letter(SMALL, ANN)
    await capped.submit(to=[ANN, BOB], sender=SMALL, message=written)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await capped.submit(to=[ANN, BOB], sender=SMALL, message=written, **other)


async def test_the_allowance_is_read_once_for_a_transaction(capped: House) -> None:
    await capped.mailbox(f"big@{OURS}", daily_cap=1000)
    asked = 0
    fetch_one = capped.station.db.fetch_one

    async def counting(sql: str, *args: object) -> object:
        nonlocal asked
        asked += "allowances" in sql
        return await fetch_one(sql, *args)  # type: ignore[arg-type]

    capped.station.db.fetch_one = counting  # type: ignore[method-assign,assignment]
    await capped.submit(to=[f"p{number}@{FAR}" for number in range(100)], sender=f"big@{OURS}")
    assert asked == 1


async def test_five_hundred_at_once_pass_exactly_as_often_as_the_cap_says(house: House) -> None:
    await house.mailbox(f"hundred@{OURS}", daily_cap=100)
    sender = f"hundred@{OURS}"
    drafts = [await house.draft([f"p{n}@{FAR}"], letter(sender, ANN), sender=sender) for n in range(500)]

    async def offer(number: int) -> bool:
        try:
            await house.way_out.acceptor.accept(drafts[number])
        except DailyCapReached:
            return False
        return True

    passed = await asyncio.gather(*map(offer, range(500)))

    assert sum(passed) == 100
    assert await house.used_today(sender) == 100
    assert await house.count("messages") == 100
    assert await house.count("recipients") == 100


async def test_fifty_sessions_at_once_pass_exactly_as_often_as_the_cap_says(house: House) -> None:
    sender = f"twenty@{OURS}"
    await house.mailbox(sender, daily_cap=20)
    everybody_may_go_on = asyncio.Barrier(50)

    async def session(number: int) -> str:
        async with await Client.open(house.submission.port) as client:
            await client.say("EHLO many.test")
            await log_in(client, house, sender)
            await client.say(f"MAIL FROM:<{sender}>")
            reply = await client.say(f"RCPT TO:<p{number}@{FAR}>")
            await everybody_may_go_on.wait()
            if reply.startswith("250"):
                reply = await client.data(letter(sender, ANN) + b".\r\n")
            return reply

    replies = await asyncio.gather(*map(session, range(50)))

    assert sum(reply.startswith("250 2.0.0 queued as msg_") for reply in replies) == 20
    assert sum(reply.startswith("451 4.7.1 ") for reply in replies) == 30
    assert await house.used_today(sender) == 20
    assert await house.count("messages") == 20


async def test_scheduled_mail_reserves_on_the_day_of_its_release(capped: House) -> None:
    sent = await capped.submit(to=[ANN, BOB], sender=SMALL, message=scheduled("2026-03-04T08:00:00Z"))
    assert await capped.used_today(SMALL) == 0
    assert {recipient.release_day for recipient in await sent.recipients()} == {"2026-03-04"}
    # The day after tomorrow is full, today and tomorrow are not.
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await capped.submit(to=CLEO, sender=SMALL, message=scheduled("2026-03-04T20:00:00Z"))
    await capped.submit(to=CLEO, sender=SMALL)


async def test_deferred_mail_waits_for_the_next_free_day(make_house: MakeHouse) -> None:
    house = await make_house({"policy.on_cap": "defer"})
    await house.mailbox(SMALL, daily_cap=2)
    today = await house.submit(to=[ANN, BOB], sender=SMALL)
    tomorrow = await house.submit(to=[ANN, BOB], sender=SMALL)
    later = await house.submit(to=ANN, sender=SMALL)

    days = [(await sent.recipients())[0].release_day for sent in (today, tomorrow, later)]
    assert days == ["2026-03-02", "2026-03-03", "2026-03-04"]
    assert await later.state() is State.SCHEDULED

    await house.run_until_idle()
    assert len(house.mx.received) == 1
    house.clock.advance(hours=15)
    await house.run_until_idle()
    assert len(house.mx.received) == 2
    kinds = [event.kind for event in await tomorrow.events()]
    assert kinds[:2] == ["message.accepted", "message.scheduled"]
    assert kinds.count("message.released") == 2


async def test_beyond_the_horizon_deferring_is_a_no(make_house: MakeHouse) -> None:
    house = await make_house({"policy.on_cap": "defer", "policy.defer_horizon": "2d"})
    await house.mailbox(SMALL, daily_cap=1)
    for _ in range(3):
        await house.submit(to=ANN, sender=SMALL)
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await house.submit(to=ANN, sender=SMALL)


async def test_rotation_finds_another_mailbox_of_the_pool_that_may_write_so(make_house: MakeHouse) -> None:
    house = await make_house({"policy.on_cap": "rotate"})
    shared = [f"*@{OURS}"]
    await house.mailbox(SMALL, daily_cap=1, pool="news", senders=shared)
    await house.mailbox(f"spare@{OURS}", daily_cap=1, pool="news", senders=shared)
    await house.mailbox(f"alien@{OURS}", daily_cap=50, pool="news")
    pooled = b"X-Posthouse-Pool: news\r\n"

    await house.submit(to=ANN, sender=SMALL)
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await house.submit(to=BOB, sender=SMALL)  # names no pool
    rotated = await house.submit(to=BOB, sender=SMALL, message=pooled + letter(SMALL, BOB))
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await house.submit(to=CLEO, sender=SMALL, message=pooled + letter(SMALL, CLEO))

    assert await house.used_today(f"spare@{OURS}") == 1
    assert await house.used_today(f"alien@{OURS}") == 0
    (accepted,) = await rotated.events("message.accepted")
    assert "rotated" in accepted.data["allowance"]
    await house.run_until_idle()
    # The sender that the recipient sees has not changed.
    assert {message.reverse_path for message in house.mx.received} == {SMALL}


async def test_suppressed_recipients_cost_nothing(capped: House) -> None:
    await capped.suppress(BOB)
    sent = await capped.submit(to=[BOB, ANN, CLEO], sender=SMALL)
    assert await capped.used_today(SMALL) == 2
    states = [recipient.state for recipient in await sent.recipients()]
    assert states == [State.SUPPRESSED, State.QUEUED, State.QUEUED]
    only_bob = await capped.submit(to=BOB, sender=SMALL)
    assert await only_bob.state() is State.SUPPRESSED
    assert await capped.used_today(SMALL) == 2


async def test_notices_are_exempt(house: House) -> None:
    await house.mailbox(SMALL, daily_cap=1)
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit(to=ANN, sender=SMALL)
    await house.run_until_idle()
    assert len(await house.notices(SMALL)) == 1
    assert await house.used_today(SMALL) == 1


async def test_the_threshold_and_the_cap_are_told_once(house: House) -> None:
    await house.mailbox(SMALL, daily_cap=10)
    for _ in range(10):
        await house.submit(to=ANN, sender=SMALL)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await house.submit(to=BOB, sender=SMALL)
    with pytest.raises(smtplib.SMTPDataError, match=r"451.*4\.7\.1"):
        await house.submit(to=ANN, sender=SMALL)
    events = await log.after(house.station.db, 0, 1000)
    told = [event.kind for event in events if event.kind in ("usage.threshold", "mailbox.cap_reached")]
    assert told == ["usage.threshold", "mailbox.cap_reached"]


async def test_a_message_is_taken_whole_or_not_at_all(capped: House) -> None:
    draft = await capped.draft([ANN, BOB, CLEO], letter(SMALL, ANN), sender=SMALL)
    with pytest.raises(Refusal) as caught:
        await capped.way_out.acceptor.accept(draft)
    assert caught.value.reply.code == 451
    assert await capped.used_today(SMALL) == 0
    assert await capped.count("messages") == 0
    assert await capped.count("recipients") == 0


async def log_in(client: Client, house: House, login: str) -> None:
    word = base64.b64encode(f"\0{login}\0{house.passwords[login]}".encode()).decode()
    assert (await client.say(f"AUTH PLAIN {word}")).startswith("235 ")
