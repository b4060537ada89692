"""Whatever the far server says, or fails to say: the right state, the right next try, the right notice."""

import pytest

from relay.clock import to_us
from relay.delivery.agent import DeliveryFailed, LocalAgent
from relay.delivery.settings import DeliverySettings, Timeouts
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, House, Sent

ANN = f"ann@{FAR}"
PHASES = ["BANNER", "EHLO", "MAIL", "RCPT", "DATA", "."]


async def only(sent: Sent) -> QueuedRecipient:
    (recipient,) = await sent.recipients()
    return recipient


def minutes_until_due(house: House, recipient: QueuedRecipient) -> float:
    assert recipient.due_at is not None
    return (recipient.due_at - to_us(house.clock.now())) / 60e6


async def test_greylisted_mail_is_tried_again_and_delivered(house: House) -> None:
    house.mx.answers(ANN, "451 4.7.1 greylisted", then="250 2.0.0 ok")
    sent = await house.submit(to=ANN)
    await house.run_until_idle()

    recipient = await only(sent)
    assert recipient.state is State.DEFERRED
    assert 4.5 <= minutes_until_due(house, recipient) <= 5.5
    assert recipient.last_reply == "451 4.7.1 greylisted"

    house.clock.advance(minutes=4)
    await house.run_until_idle()
    assert await sent.state() is State.DEFERRED
    house.clock.advance(minutes=2)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.notices() == []


@pytest.mark.parametrize("phase", PHASES)
async def test_a_temporary_no_defers_whenever_it_comes(house: House, phase: str) -> None:
    house.mx.answers(phase, "451 4.3.0 not now")
    house.mx.answers("HELO", "451 4.3.0 not now")
    sent = await house.submit(to=ANN)
    await house.run_until_idle()

    recipient = await only(sent)
    assert (recipient.state, recipient.attempts, recipient.unfinished) == (State.DEFERRED, 1, 0)
    assert 4.5 <= minutes_until_due(house, recipient) <= 5.5
    (deferred,) = await sent.events("message.deferred")
    assert deferred.data["reply"] == "451 4.3.0 not now"
    assert deferred.data["next_attempt_at"] == recipient.due_at
    assert deferred.data["dialogue"]
    assert "ambiguous" not in deferred.data
    assert await house.notices() == []


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "."])
async def test_a_permanent_no_to_the_mail_bounces_it_with_a_notice(house: House, phase: str) -> None:
    house.mx.answers(phase, "554 5.7.1 never")
    sent = await house.submit(to=ANN)
    await house.run_until_idle()

    assert (await only(sent)).state is State.BOUNCED
    (bounced,) = await sent.events("message.bounced")
    assert bounced.data["reply"] == "554 5.7.1 never"
    (notice,) = await house.notices()
    assert notice.actions == ["failed"]


@pytest.mark.parametrize("phase", ["BANNER", "EHLO"])
async def test_a_permanent_no_to_the_session_bounces_nobody(house: House, phase: str) -> None:
    house.mx.answers(phase, "554 5.7.1 not you")
    house.mx.answers("HELO", "554 5.7.1 not you")
    sent = await house.submit(to=ANN)
    await house.run_until_idle()
    assert (await only(sent)).state is State.DEFERRED
    assert await house.notices() == []


@pytest.mark.parametrize("phase", PHASES)
async def test_a_server_that_hangs_up_is_tried_again(house: House, phase: str) -> None:
    house.mx.closes(phase)
    sent = await house.submit(to=ANN)
    await house.run_until_idle()

    assert (await only(sent)).state is State.DEFERRED
    (deferred,) = await sent.events("message.deferred")
    # Only after the final dot may it have the message all the same.
    assert deferred.data.get("ambiguous", False) is (phase == ".")

    house.mx.behaves()
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.notices() == []


@pytest.mark.parametrize("phase", PHASES)
async def test_a_server_that_falls_silent_is_given_up_for_now(make_house: MakeHouse, phase: str) -> None:
    soon = 0.2
    patience = Timeouts(
        banner=soon, hello=soon, mail=soon, recipient=soon, data=soon, block=soon, final_dot=soon, quit=soon
    )
    house = await make_house()
    agent = house.way_out.carrier.agent
    assert isinstance(agent, LocalAgent)
    deliverer = agent._deliverer
    settings = deliverer._settings
    impatient = DeliverySettings(
        hostname=settings.hostname, port=settings.port, allow_private_networks=True, timeouts=patience
    )
    deliverer._settings = impatient
    house.mx.stalls(phase)
    sent = await house.submit(to=ANN)
    await house.run_until_idle()

    assert (await only(sent)).state is State.DEFERRED
    (deferred,) = await sent.events("message.deferred")
    assert deferred.data["reply"].startswith("451 4.4")
    assert deferred.data.get("ambiguous", False) is (phase == ".")


async def test_the_waits_follow_the_schedule_and_the_last_try_falls_on_the_end(make_house: MakeHouse) -> None:
    house = await make_house(
        {
            "delivery.retry_schedule": ["5m", "10m", "1h"],
            "delivery.expire_after": "3h",
            "delivery.delay_notice_after": "2h",
        }
    )
    house.mx.answers("RCPT", "450 4.2.0 not now")
    sent = await house.submit(to=ANN)
    waits = []
    await house.run_until_idle()
    while (recipient := await only(sent)).state is State.DEFERRED:
        waits.append(minutes_until_due(house, recipient))
        house.clock.advance(minutes=waits[-1])
        await house.run_until_idle()

    assert recipient.state is State.EXPIRED
    assert sum(waits) == pytest.approx(180)
    for wait, planned in zip(waits, [5, 10, 60, 60], strict=False):
        assert planned * 0.9 <= wait <= planned * 1.1
    assert recipient.attempts == len(waits) + 1
    assert len(house.mx.says("RCPT")) == recipient.attempts


async def test_mail_expires_after_five_days_with_one_notice(house: House) -> None:
    house.mx.answers("RCPT", "450 4.2.2 mailbox full")
    sent = await house.submit(to=ANN)
    await house.run_until_idle()
    for _ in range(200):
        house.clock.advance(hours=1)
        await house.run_until_idle()

    assert await sent.state() is State.EXPIRED
    (expired,) = await sent.events("message.expired")
    assert (expired.at - (await sent.events("message.accepted"))[0].at).days == 5
    delayed, failed = await house.notices()
    assert delayed.actions == ["delayed"]
    assert failed.actions == ["failed"]
    assert failed.recipients[0]["Status"] == "5.4.7"
    assert "450 4.2.2 mailbox full" in failed.recipients[0]["Diagnostic-Code"]


async def test_the_sender_is_told_once_of_a_delay_of_four_hours(house: House) -> None:
    house.mx.answers("RCPT", "450 4.2.0 not now")
    await house.submit(to=ANN)
    await house.run_until_idle()
    for _ in range(3 * 4 + 3):
        house.clock.advance(minutes=15)
        await house.run_until_idle()
    assert await house.notices() == []
    for _ in range(60):
        house.clock.advance(minutes=15)
        await house.run_until_idle()
    (notice,) = await house.notices()
    assert notice.actions == ["delayed"]
    assert notice.recipients[0]["Will-Retry-Until"] == "Sat, 07 Mar 2026 09:00:00 +0000"


async def test_some_recipients_may_be_refused_and_the_others_go(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    house.mx.answers(f"bob@{FAR}", "452 4.2.2 full")
    sent = await house.submit(to=[ANN, f"bob@{FAR}", f"cleo@{FAR}"])
    await house.run_until_idle()
    states = [recipient.state for recipient in await sent.recipients()]
    assert states == [State.BOUNCED, State.DEFERRED, State.DELIVERED]
    (notice,) = await house.notices()
    assert [recipient["Final-Recipient"] for recipient in notice.recipients] == [f"rfc822; {ANN}"]


async def test_a_fault_of_ours_in_an_attempt_defers_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, faults_of_ours: list[str]
) -> None:
    faults_of_ours.append("failed on our side")

    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    sent = await house.submit(to=ANN)
    with monkeypatch.context() as patched:
        patched.setattr("relay.dispatch.wire.Outfitter.outfit", broken)
        await house.run_until_idle()
    recipient = await only(sent)
    assert (recipient.state, recipient.unfinished) == (State.DEFERRED, 0)
    assert recipient.last_reply is not None
    assert recipient.last_reply.startswith("451 4.3.0")
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert await house.notices() == []


async def test_a_fault_that_a_delivery_process_tells_of_is_one_line_here(
    house: House, monkeypatch: pytest.MonkeyPatch, faults_of_ours: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The process has written down where it happened."""
    faults_of_ours.append("a fault on our side")

    async def broken(*_: object) -> None:
        raise DeliveryFailed("NoSigningKey: gone")

    sent = await house.submit(to=ANN)
    monkeypatch.setattr(LocalAgent, "deliver", broken)
    await house.run_until_idle()
    assert (await only(sent)).state is State.DEFERRED
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.exc_info is None
    assert told.getMessage() == f"{sent.id} waits for a fault on our side: NoSigningKey: gone"


async def test_what_happened_is_counted_and_timed(house: House) -> None:
    house.mx.answers(ANN, "450 4.2.0 not now", then="250 2.0.0 ok")
    await house.submit(to=[ANN, f"bob@{FAR}"])
    await house.run_until_idle()
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    text = house.station.metrics.exposition()[0].decode()
    assert 'posthouse_accepted_total{door="smtp"} 2.0' in text
    assert 'posthouse_outcomes_total{outcome="delivered"} 2.0' in text
    assert 'posthouse_outcomes_total{outcome="deferred"} 1.0' in text
    assert "posthouse_delivery_seconds_sum 360.0" in text
    assert "posthouse_acceptance_seconds_count 1.0" in text
