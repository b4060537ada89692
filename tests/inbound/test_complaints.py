"""Complaints: only through an address that we signed, only for whom it went to, once."""

import pytest

from inbound.complaints import Complaint, message_ids_in, read, record_complaint
from inbound.reading.parsed import Parsed, Report
from inbound.reported import Recorded
from relay.address import Address, parse_address
from relay.queue.state import State
from relay.spool.records import Message
from relay.tenants import bounce_address
from tests.inbound.conftest import Outbox
from tests.inbound.written import arf, fields_of, mail

ANN, BOB = "ann@far.example", "bob@far.example"
DELIVERED = {ANN: State.DELIVERED, BOB: State.DELIVERED}
SECRET = b"s" * 32
SENT = "msg_0sent"
SIGNED = str(bounce_address.encode(SENT, SECRET, "bounces.ours.test"))
FORGED = str(bounce_address.encode(SENT, b"another secret", "bounces.ours.test"))
FEEDBACK = parse_address("feedback@ours.test")

# After RFC 5965 appendix B.2.
FULL = f"""\
Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{SIGNED}>
Original-Rcpt-To: <{ANN}>
Arrival-Date: Mon, 2 Mar 2026 09:00:00 +0000
Reporting-MTA: dns; mail.isp.example
Source-IP: 192.0.2.1
Reported-Domain: ours.test
"""


def test_the_fields_of_a_complaint_are_read() -> None:
    complaint = read(arf(FULL))
    assert complaint == Complaint(
        feedback_type="abuse",
        user_agent="SomeGenerator/1.0",
        recipients=(parse_address(ANN),),
        names_recipients=True,
        original_mail_from=parse_address(SIGNED),
        source_ip="192.0.2.1",
    )
    assert complaint.is_unwanted


@pytest.mark.parametrize(
    ("type_", "unwanted"),
    [
        ("abuse", True), ("Abuse", True), ("fraud", True), ("opt-out", True),
        ("not-spam", False), ("auth-failure", False), ("virus", False), ("other", False), ("x-new", False),
    ],
)  # fmt: skip
def test_only_some_feedback_says_that_our_mail_is_not_wanted(type_: str, unwanted: bool) -> None:
    complaint = read(arf(f"Feedback-Type: {type_}\nVersion: 1"))
    assert complaint is not None
    assert complaint.is_unwanted is unwanted


def test_other_mail_is_no_complaint() -> None:
    assert read(mail()) is None
    assert read(mail(report=Report("delivery-status", ({"feedback-type": ["abuse"]},), {}))) is None
    assert read(mail(report=Report("feedback-report", ({},), {}))) is None


@pytest.mark.parametrize(
    ("report", "recipient", "ids"),
    [
        (mail(), parse_address(SIGNED), [SENT]),
        (mail(), parse_address(SIGNED.upper()), [SENT]),
        (arf(FULL), FEEDBACK, [SENT]),
        (arf("Feedback-Type: abuse", original=f"Return-Path: <{SIGNED}>"), FEEDBACK, [SENT]),
        (arf(FULL, original=f"Return-Path: {SIGNED}"), parse_address(SIGNED), [SENT]),
        (arf(FULL.replace(SIGNED, FORGED), original=f"Return-Path: <{FORGED}>"), FEEDBACK, []),
        (arf(f"Feedback-Type: abuse\nOriginal-Envelope-Id: {SENT}\nMessage-ID: {SENT}"), FEEDBACK, []),
        (arf("Feedback-Type: abuse\nOriginal-Mail-From: <>"), FEEDBACK, []),
        (arf(f"Feedback-Type: abuse\nUser-Agent: {SIGNED}"), FEEDBACK, []),
    ],
)
def test_a_message_is_found_by_our_signature_alone(
    report: Parsed, recipient: Address, ids: list[str]
) -> None:
    assert message_ids_in(report, recipient, SECRET) == ids


async def complain(outbox: Outbox, message: Message, feedback: str) -> Recorded:
    complaint = read(arf(feedback))
    assert complaint is not None
    return await outbox.db.transact(lambda tx: record_complaint(tx, outbox.clock, message, complaint))


async def test_a_complaint_is_an_event_and_the_end_of_mail_to_that_address(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    assert await complain(outbox, message, FULL) == Recorded(recorded=(ANN,), suppressed=(ANN,))

    (event,) = await outbox.events("message.complained")
    assert event.data == {
        "recipient": ANN,
        "source": "arf",
        "feedback_type": "abuse",
        "user_agent": "SomeGenerator/1.0",
    }
    assert event.recipient_id == 1
    found = await outbox.suppression(ANN)
    assert found is not None
    assert (found.reason.value, found.source_message_id) == ("complaint", message.id)
    assert await outbox.suppression(BOB) is None
    # A complaint is an event, not a state.
    assert await outbox.states() == {ANN: "delivered", BOB: "delivered"}


async def test_the_same_complaint_twice_is_one(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    await complain(outbox, message, FULL)
    assert await complain(outbox, message, FULL) == Recorded()
    assert len(await outbox.events("message.complained")) == 1


async def test_without_a_name_it_is_the_only_recipient_and_else_nobody(outbox: Outbox) -> None:
    one = await outbox.put({ANN: State.DELIVERED}, id_="msg_0one")
    two = await outbox.put(DELIVERED)
    assert (await complain(outbox, one, "Feedback-Type: abuse")).recorded == (ANN,)
    assert await complain(outbox, two, "Feedback-Type: abuse") == Recorded()


@pytest.mark.parametrize("named", ["victim@other.example", "redacted", "<hidden>"])
async def test_who_is_named_and_had_no_such_mail_changes_nothing(outbox: Outbox, named: str) -> None:
    message = await outbox.put({ANN: State.DELIVERED})
    recorded = await complain(outbox, message, f"Feedback-Type: abuse\nOriginal-Rcpt-To: {named}")
    assert (recorded.recorded, recorded.suppressed) == ((), ())
    assert await outbox.events("message.complained") == []
    assert await outbox.suppression(ANN) is None


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED])
async def test_nobody_complains_of_mail_that_never_went_out(outbox: Outbox, state: State) -> None:
    message = await outbox.put({ANN: state})
    assert await complain(outbox, message, FULL) == Recorded()
    assert await outbox.suppression(ANN) is None


async def test_feedback_that_is_no_complaint_changes_nothing(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    assert await complain(outbox, message, FULL.replace("abuse", "not-spam")) == Recorded()
    assert await outbox.events("message.complained") == []
    assert await outbox.suppression(ANN) is None


async def test_mail_that_came_in_cannot_be_complained_of(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED, direction="in")
    assert await complain(outbox, message, FULL) == Recorded()
    assert await outbox.events("message.complained") == []


async def test_several_recipients_complain_in_one_report(outbox: Outbox) -> None:
    message = await outbox.put(DELIVERED)
    both = f"{FULL}Original-Rcpt-To: {BOB.upper()}\nOriginal-Rcpt-To: <{ANN}>\n"
    assert (await complain(outbox, message, both)).recorded == (ANN, BOB)
    assert fields_of(both)["original-rcpt-to"] == [f"<{ANN}>", BOB.upper(), f"<{ANN}>"]
