"""A late bounce: only the named recipients of the message, once, and suppression only for who is gone."""

import asyncio
from collections.abc import Mapping

import pytest

from inbound.bounces import ReportedFailure, read, record_bounce
from inbound.reported import Recorded
from relay.address import parse_address
from relay.message.refusals import Reason
from relay.queue.state import State
from relay.spool.records import Message
from tests.inbound.conftest import Outbox
from tests.inbound.written import dsn

ANN, BOB = "ann@far.example", "bob@far.example"
DELIVERED = {ANN: State.DELIVERED, BOB: State.DELIVERED}


def failed(
    final: str = ANN,
    *,
    original: str | None = None,
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 User unknown",
    action: str = "failed",
) -> list[ReportedFailure]:
    named = f"Final-Recipient: rfc822; {final}\n" if final else ""
    named += f"Original-Recipient: rfc822; {original}\n" if original else ""
    rest = (
        f"Action: {action}\nStatus: {status}\nRemote-MTA: dns; mx.far.example\nDiagnostic-Code: {diagnostic}"
    )
    return read(dsn(f"Reporting-MTA: dns; mail.far.example\n\n{named}{rest}"))


async def report(outbox: Outbox, message: Message, failures: list[ReportedFailure]) -> Recorded:
    return await outbox.db.transact(lambda tx: record_bounce(tx, outbox.clock, message, failures))


async def test_delivered_becomes_bounced_with_its_event_and_the_others_stay(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    recorded = await report(outbox, message, failed(ANN))

    assert recorded == Recorded(recorded=(ANN,), suppressed=(ANN,))
    assert await outbox.states() == {ANN: "bounced", BOB: "delivered"}
    (event,) = await outbox.events("message.bounced")
    assert event.data == {
        "recipient": ANN,
        "source": "dsn",
        "status": "5.1.1",
        "diagnostic": "550 5.1.1 User unknown",
        "reason": "no_such_mailbox",
        "reply": "550 5.1.1 User unknown",
        "mx": "mx.far.example",
    }
    assert (event.mailbox_id, event.recipient_id) == ("inb_app", 1)


async def test_no_such_mailbox_suppresses_and_names_the_message(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    await report(outbox, message, failed(ANN))
    found = await outbox.suppression(ANN)
    assert found is not None
    assert (found.reason.value, found.source_message_id) == ("bounce", message.id)
    (event,) = await outbox.events("suppression.created")
    assert event.data["address"] == ANN


@pytest.mark.parametrize(
    ("status", "diagnostic", "reason"),
    [
        ("5.2.2", "smtp; 552 5.2.2 mailbox full", "mailbox_full"),
        ("5.7.1", "smtp; 550 5.7.1 rejected by policy", "policy"),
        ("5.1.1", "smtp; 550 5.1.1 listed at Spamhaus", "reputation"),
        ("4.1.1", "smtp; 451 4.1.1 no such user now", "unknown"),
        ("5.0.0", "x-unix; 1", "unknown"),
    ],
)
async def test_every_other_reason_bounces_and_suppresses_nobody(
    outbox: Outbox, status: str, diagnostic: str, reason: str
) -> None:
    message = await outbox.put(DELIVERED)
    recorded = await report(outbox, message, failed(ANN, status=status, diagnostic=diagnostic))
    assert recorded == Recorded(recorded=(ANN,))
    assert (await outbox.states())[ANN] == "bounced"
    assert await outbox.suppression(ANN) is None
    (event,) = await outbox.events("message.bounced")
    assert event.data["reason"] == reason


async def test_a_report_that_comes_again_changes_nothing(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    await report(outbox, message, failed(ANN) + failed(ANN))
    assert await report(outbox, message, failed(ANN)) == Recorded()
    assert len(await outbox.events("message.bounced")) == 1
    assert len(await outbox.events("suppression.created")) == 1


async def test_reports_that_come_together_count_once(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    await asyncio.gather(*(report(outbox, message, failed(ANN)) for _ in range(8)))
    assert len(await outbox.events("message.bounced")) == 1


async def test_a_delay_changes_nothing(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    delayed = failed(ANN, action="delayed", status="4.4.1", diagnostic="smtp; 450 4.4.1 later")
    assert await report(outbox, message, delayed) == Recorded()
    assert await outbox.states() == {ANN: "delivered", BOB: "delivered"}
    assert await outbox.events("message.bounced") == []


async def test_addresses_that_the_message_did_not_go_to_change_nothing(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    recorded = await report(outbox, message, failed("victim@other.example"))
    assert recorded == Recorded(unmatched=("victim@other.example",))
    assert await outbox.states() == {ANN: "delivered", BOB: "delivered"}
    assert await outbox.suppression("victim@other.example") is None


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [({ANN: State.DELIVERED}, {ANN: "bounced"}), (DELIVERED, {ANN: "delivered", BOB: "delivered"})],
)
async def test_a_report_that_names_nobody_means_the_only_recipient(
    outbox: Outbox, recipients: Mapping[str, State], expected: dict[str, str]
) -> None:
    message = await outbox.put(recipients)
    await report(outbox, message, failed(""))
    assert await outbox.states() == expected


@pytest.mark.parametrize("state", [state for state in State if state not in (State.DELIVERED, State.LEASED)])
async def test_only_who_was_delivered_to_can_bounce_late(outbox: Outbox, state: State) -> None:
    message = await outbox.put({ANN: state})
    assert await report(outbox, message, failed(ANN)) == Recorded()
    assert await outbox.states() == {ANN: state.value}
    assert await outbox.suppression(ANN) is None


async def test_a_report_that_is_quicker_than_our_own_outcome_is_worth_another_look(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.LEASED})
    assert await report(outbox, message, failed(ANN)) == Recorded(unsettled=(ANN,))
    assert await outbox.states() == {ANN: "leased"}


async def test_case_does_not_matter_unless_two_recipients_differ_by_it(outbox: Outbox) -> None:
    message = await outbox.put({"Ann@far.example": State.DELIVERED, ANN: State.DELIVERED})
    await report(outbox, message, failed("Ann@FAR.example"))
    assert await outbox.states() == {"Ann@far.example": "bounced", ANN: "delivered"}

    message = await outbox.put({ANN: State.DELIVERED}, id_="msg_0other")
    await report(outbox, message, failed("ANN@far.example"))
    assert await outbox.states("msg_0other") == {ANN: "bounced"}


async def test_who_forwards_is_the_one_who_bounced_and_not_to_whom(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    await report(outbox, message, failed(BOB, original=ANN))
    assert await outbox.states() == {ANN: "bounced", BOB: "delivered"}


async def test_a_missing_mailbox_behind_a_forward_suppresses_nobody(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    recorded = await report(outbox, message, failed("ann@elsewhere.example", original=ANN))
    assert recorded == Recorded(recorded=(ANN,))
    assert await outbox.suppression(ANN) is None
    assert await outbox.suppression("ann@elsewhere.example") is None


async def test_a_host_of_the_same_domain_is_no_forward(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    recorded = await report(outbox, message, failed("ann@store.far.example", original=ANN))
    assert recorded.suppressed == (ANN,)


async def test_the_submitters_own_name_for_a_recipient_is_understood(outbox: Outbox) -> None:
    message = await outbox.put(
        {ANN: State.DELIVERED, "x@y.example": State.SUPPRESSED}, orcpt="rfc822;list+2Bann@ours.test"
    )
    failure = failed("ann@inside.example", original="list+ann@ours.test")
    recorded = await report(outbox, message, failure)
    assert recorded.recorded == (ANN,)


async def test_what_lies_in_a_mailbox_of_ours_was_delivered(outbox: Outbox) -> None:
    message = await outbox.put({"bob@ours.test": State.DELIVERED}, local=True)
    await report(outbox, message, failed("bob@ours.test"))
    assert await outbox.states() == {"bob@ours.test": "delivered"}


async def test_mail_that_came_in_cannot_bounce(outbox: Outbox) -> None:
    message = await outbox.put({ANN: State.DELIVERED}, direction="in")
    assert await report(outbox, message, failed(ANN)) == Recorded(unmatched=(ANN,))
    assert await outbox.states() == {ANN: "delivered"}


async def test_utf8_recipients_are_found(outbox: Outbox) -> None:
    joerg = "j\u00f6rg@far.example"
    message = await outbox.put({joerg: State.DELIVERED, BOB: State.DELIVERED})
    failure = ReportedFailure(True, final=(parse_address("jo\u0308rg@far.example"),), reason=Reason.POLICY)
    await report(outbox, message, [failure])
    assert await outbox.states() == {joerg: "bounced", BOB: "delivered"}
