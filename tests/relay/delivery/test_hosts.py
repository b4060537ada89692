"""Host after host, and message after message on one connection: whose trouble it is decides what is next."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from relay.delivery.outcome import Fate, Reason, Scope
from relay.delivery.settings import Limits
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import Station, parcel

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"]), pytest.mark.usefixtures("way")]


@pytest.fixture
async def backup(station: Station, mx: FarMx) -> AsyncIterator[FarMx]:
    """A second exchanger for example.net, of lower rank."""
    server = await FarMx.start("127.0.0.2", mx.port)
    station.dns.mx("example.net", (20, "backup.example.net"))
    station.dns.address("backup.example.net", "127.0.0.2")
    yield server
    await server.stop()


@pytest.mark.parametrize(
    ("phase", "answer"),
    [
        ("BANNER", "554 5.7.1 not here"),
        ("BANNER", "421 4.3.2 busy"),
        ("EHLO", "421 4.3.2 busy"),
        ("MAIL", "421 4.3.2 busy"),
        ("MAIL", "451 4.3.0 hm"),
        ("RCPT", "421 4.3.2 busy"),
        ("RCPT", "450 4.2.0 greylisted"),
        ("DATA", "421 4.3.2 busy"),
        ("DATA", "451 4.3.0 hm"),
        (".", "421 4.3.2 busy"),
    ],
)
async def test_the_next_host_is_tried_within_the_attempt(
    station: Station, mx: FarMx, backup: FarMx, phase: str, answer: str
) -> None:
    mx.answers(phase, answer)
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.mx) == (Fate.DELIVERED, "backup.example.net")
    assert len(backup.received) == 1


@pytest.mark.parametrize("phase", ["BANNER", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_host_that_hangs_up_is_passed_over(
    station: Station, mx: FarMx, backup: FarMx, phase: str
) -> None:
    mx.closes(phase)
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED
    assert len(backup.received) == 1


async def test_a_host_that_is_down_is_passed_over(station: Station, mx: FarMx, backup: FarMx) -> None:
    await mx.stop()
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.mx) == (Fate.DELIVERED, "backup.example.net")


@pytest.mark.parametrize("how", ["close", "stall", "451 4.3.0 hm", "554 5.6.0 no"])
async def test_after_the_final_dot_no_other_host_gets_a_second_copy(
    station: Station, mx: FarMx, backup: FarMx, how: str
) -> None:
    station.is_in_a_hurry()
    if how == "stall":
        mx.stalls(".")
    elif how == "close":
        mx.closes(".")
    else:
        mx.answers(".", how)
    (outcome,) = await station.send()
    assert outcome.fate is not Fate.DELIVERED
    assert outcome.ambiguous is (how in ("close", "stall"))
    assert backup.sessions == 0


async def test_a_permanent_no_is_not_asked_about_elsewhere(
    station: Station, mx: FarMx, backup: FarMx
) -> None:
    mx.answers("RCPT", "550 5.1.1 nobody")
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == (Fate.BOUNCED, Scope.RECIPIENT)
    assert backup.sessions == 0


async def test_what_a_server_said_about_the_recipient_outlives_a_host_that_is_down(
    station: Station, mx: FarMx, backup: FarMx
) -> None:
    mx.answers("RCPT", "450 4.2.0 greylisted")
    await backup.stop()
    (outcome,) = await station.send()
    assert (outcome.scope, outcome.reply.code, outcome.mx) == (Scope.RECIPIENT, 450, "mx.example.net")


async def test_a_temporary_no_is_asked_about_at_two_hosts_and_then_stands(
    station: Station, mx: FarMx, backup: FarMx
) -> None:
    for server in (mx, backup):
        server.answers("RCPT", "450 4.2.0 greylisted")
    station.dns.mx("example.net", (30, "third.example.net"))
    station.dns.address("third.example.net", "127.0.0.1")
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope) == (Fate.DEFERRED, Scope.RECIPIENT)
    assert mx.sessions == 1


async def test_nobody_reachable_is_the_trouble_of_the_site(
    station: Station, mx: FarMx, backup: FarMx
) -> None:
    await mx.stop()
    await backup.stop()
    (outcome,) = await station.send()
    assert (outcome.fate, outcome.scope, outcome.reply.enhanced) == (Fate.DEFERRED, Scope.SITE, "4.4.1")


async def test_no_further_host_is_tried_when_the_attempt_has_taken_too_long(
    station: Station, mx: FarMx, backup: FarMx
) -> None:
    mx.answers("BANNER", "421 busy")
    station.set(timeouts=replace(station.settings.timeouts, attempt=-1.0))
    (outcome,) = await station.send()
    assert (outcome.fate, backup.sessions, mx.sessions) == (Fate.DEFERRED, 0, 0)


# Several recipients, one transaction


async def test_each_recipient_keeps_its_own_outcome(station: Station, mx: FarMx) -> None:
    mx.answers("ben@example.net", "550 5.1.1 nobody")
    mx.answers("cid@example.net", "451 4.7.1 greylisted")
    outcomes = await station.send(
        parcel("ann@example.net", "ben@example.net", "cid@example.net", "dan@example.net")
    )
    assert [outcome.fate.name for outcome in outcomes] == ["DELIVERED", "BOUNCED", "DEFERRED", "DELIVERED"]
    assert [message.recipients for message in mx.received] == [["ann@example.net", "dan@example.net"]]
    assert "> RCPT TO:<ben@example.net>" in outcomes[1].dialogue
    assert "> RCPT TO:<ann@example.net>" not in outcomes[1].dialogue


async def test_an_unknown_user_behind_the_final_dot_blames_nobody_of_several(
    station: Station, mx: FarMx
) -> None:
    mx.answers(".", "550 5.1.1 no such user")
    outcomes = await station.send(parcel("ann@example.net", "ben@example.net"))
    assert [(outcome.fate, outcome.reason) for outcome in outcomes] == [(Fate.BOUNCED, Reason.UNKNOWN)] * 2
    (alone,) = await station.send(parcel("ann@example.net"))
    assert (alone.fate, alone.reason) == (Fate.BOUNCED, Reason.NO_SUCH_MAILBOX)


async def test_nothing_is_sent_when_nobody_is_accepted(station: Station, mx: FarMx, way: str) -> None:
    mx.answers("RCPT", "550 5.1.1 nobody")
    await station.send(parcel("ann@example.net", "ben@example.net"))
    assert mx.says("DATA") == (["DATA"] if way == "together" else [])
    assert mx.taken == []


async def test_a_no_to_the_content_is_for_those_who_were_accepted(station: Station, mx: FarMx) -> None:
    mx.answers("ben@example.net", "451 4.7.1 greylisted")
    mx.answers(".", "554 5.6.0 no")
    outcomes = await station.send(parcel("ann@example.net", "ben@example.net"))
    assert [(one.fate.name, one.scope.name) for one in outcomes] == [
        ("BOUNCED", "MESSAGE"),
        ("DEFERRED", "RECIPIENT"),
    ]


async def test_a_closed_session_leaves_decided_recipients_decided(station: Station, mx: FarMx) -> None:
    mx.answers("ann@example.net", "550 5.1.1 nobody")
    mx.closes("ben@example.net")
    outcomes = await station.send(parcel("ann@example.net", "ben@example.net", "cid@example.net"))
    assert [one.fate.name for one in outcomes] == ["BOUNCED", "DEFERRED", "DEFERRED"]


@pytest.mark.parametrize("full", ["452 4.5.3 too many recipients", "552 too many recipients"])
async def test_who_does_not_fit_gets_a_transaction_of_its_own_on_the_same_connection(
    station: Station, mx: FarMx, full: str
) -> None:
    mx.answers("RCPT", "250 ok", then=["250 ok", full, "250 ok", "250 ok"])
    mx.answers("cid@example.net", full, then="250 ok")
    outcomes = await station.send(parcel("ann@example.net", "ben@example.net", "cid@example.net"))
    assert {outcome.fate for outcome in outcomes} == {Fate.DELIVERED}
    assert [message.recipients for message in mx.received] == [
        ["ann@example.net", "ben@example.net"],
        ["cid@example.net"],
    ]
    assert mx.sessions == 1


# One connection, many messages


async def test_many_messages_share_one_connection_with_rset_between(station: Station, mx: FarMx) -> None:
    kept = None
    for _ in range(5):
        made = await station.attempt(parcel(), kept)
        assert made.outcomes[0].fate is Fate.DELIVERED
        kept = made.kept
    assert kept is not None
    await kept.close()
    assert (mx.sessions, len(mx.received), len(mx.says("RSET")), mx.commands[-1]) == (1, 5, 4, "QUIT")


async def test_a_connection_with_a_refused_message_goes_on_with_the_next(station: Station, mx: FarMx) -> None:
    mx.answers("RCPT", "550 5.1.1 nobody", then="250 ok")
    first = await station.attempt(parcel())
    second = await station.attempt(parcel(), first.kept)
    assert (second.outcomes[0].fate, mx.sessions) == (Fate.DELIVERED, 1)
    assert second.kept is not None
    await second.kept.close()


@pytest.mark.parametrize("how", ["close", "421 4.4.2 idle too long", "stall", "garbage"])
async def test_a_kept_connection_that_died_is_replaced_and_counts_as_nothing(
    station: Station, mx: FarMx, how: str
) -> None:
    station.is_in_a_hurry()
    first = await station.attempt(parcel())
    if how == "close":
        mx.closes("RSET")
    elif how == "stall":
        mx.stalls("RSET")
    else:
        mx.answers("RSET", b"?\r\n" if how == "garbage" else how)
    second = await station.attempt(parcel(), first.kept)
    assert (second.outcomes[0].fate, mx.sessions) == (Fate.DELIVERED, 2)
    assert second.kept is not None
    await second.kept.close()


async def test_a_kept_connection_that_the_far_side_closed_meanwhile_is_not_reusable(
    station: Station, mx: FarMx
) -> None:
    first = await station.attempt(parcel())
    assert first.kept is not None
    await mx.stop()
    assert not await first.kept.reset()
    assert not first.kept.is_reusable


async def test_a_connection_is_not_kept_for_ever(station: Station, mx: FarMx) -> None:
    station.set(limits=Limits(messages_per_connection=2, idle=60))
    first = await station.attempt(parcel())
    assert first.kept is not None
    second = await station.attempt(parcel(), first.kept)
    assert second.kept is None  # two messages are enough

    third = await station.attempt(parcel())
    assert third.kept is not None
    station.clock.advance(seconds=61)
    assert not third.kept.is_reusable
    fourth = await station.attempt(parcel(), third.kept)
    assert (fourth.outcomes[0].fate, mx.sessions) == (Fate.DELIVERED, 3)
    assert fourth.kept is not None
    await fourth.kept.close()


@pytest.mark.parametrize("phase", ["EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_a_host_that_is_given_up_is_hung_up_on(station: Station, mx: FarMx, phase: str) -> None:
    mx.answers(phase, "421 4.3.2 busy" if phase != "EHLO" else "451 4.3.0 hm")
    await station.send()
    async with asyncio.timeout(5):
        await mx.everybody_leaves()


async def test_a_cancelled_attempt_leaves_no_connection_behind(station: Station, mx: FarMx) -> None:
    arrived = asyncio.Event()
    mx.on_message = lambda _: arrived.set()
    release = mx.stalls(".")
    station.set(timeouts=replace(station.settings.timeouts, final_dot=60))
    task = asyncio.create_task(station.attempt(parcel()))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    async with asyncio.timeout(5):
        await mx.everybody_leaves()


async def test_the_trail_tells_the_story_without_the_content(station: Station, mx: FarMx) -> None:
    made = await station.attempt(parcel("ann@example.net"))
    assert made.kept is not None
    await made.kept.close()
    story = "\n".join(made.trail)
    for line in (
        f"connecting to mx.example.net[127.0.0.1]:{mx.port}",
        "< 220 mx.example.net ESMTP",
        "> EHLO relay.example.com",
        "> MAIL FROM:<me@example.com> SIZE=",
        "> RCPT TO:<ann@example.net>",
        "< 354 go ahead",
        "< 250 2.0.0 ok",
    ):
        assert line in story
    assert "hello" not in story


async def test_a_talkative_server_cannot_fill_the_trail(station: Station, mx: FarMx) -> None:
    mx.answers("RCPT", "550 " + "\n".join(["5.1.1 " + "x" * 100] * 250))
    made = await station.attempt(parcel(*(f"{n}@example.net" for n in range(20))))
    assert made.kept is not None
    await made.kept.close()
    assert len(made.trail) <= 501
    assert made.trail[-1].endswith("more lines)")
    assert all(outcome.fate is Fate.BOUNCED for outcome in made.outcomes)
