"""What comes back about our mail: far bounces, complaints, absences, readers who want no more."""

from collections.abc import Sequence

import pytest

from relay.address import parse_address
from relay.queue.state import State
from relay.suppressions import records as suppressions
from relay.tenants.tenants import DEFAULT_TENANT
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, House, Sent
from tests.flows.letters import ANN, letter_of, post, received
from tests.flows.test_inbound import deliver

US = "sender.test"
ME = f"app@{US}"
DAEMON = f"MAILER-DAEMON@{FAR}"


@pytest.fixture
async def house(make_house: MakeHouse) -> House:
    """A house whose bounces come home."""
    house = await make_house()
    await house.domain(US, bounces=True)
    await house.mailbox(ME)
    return house


async def delivered(house: House, to: str | Sequence[str] = ANN) -> tuple[Sent, str]:
    """Mail that the far server has taken, and the signed address for reports on it."""
    sent = await house.submit(to=to, sender=ME)
    await house.run_until_idle()
    return sent, house.mx.received[-1].reverse_path


def report(
    kind: str, fields: str, *, about: str = "", sender: str = DAEMON, subject: str = "Report"
) -> bytes:
    """A multipart/report (RFC 6522) with a machine-readable part of that kind."""
    return (
        f"From: {sender}\r\nTo: {ME}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--b\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{about}From: {ME}\r\n\r\n--b--\r\n"
    ).encode()


def failure(address: str = ANN, status: str = "5.1.1", action: str = "failed") -> bytes:
    return report(
        "delivery-status",
        f"Reporting-MTA: dns; mx.{FAR}\r\n\r\nFinal-Recipient: rfc822; {address}\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; 550 {status} said mx\r\n",
    )


def complaint(path: str, kind: str = "abuse") -> bytes:
    fields = (
        f"Feedback-Type: {kind}\r\nUser-Agent: isp/1\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: <{ANN}>\r\nOriginal-Mail-From: <{path}>\r\n"
    )
    return report("feedback-report", fields, about=f"Return-Path: <{path}>\r\n", sender="fbl@isp.example")


async def is_suppressed(house: House, address: str = ANN) -> bool:
    return await suppressions.find(house.station.db, DEFAULT_TENANT, parse_address(address)) is not None


async def test_a_far_bounce_turns_delivered_into_bounced(house: House) -> None:
    sent, path = await delivered(house)
    found = await received(house, failure(), path, sender="")
    assert await sent.state() is State.BOUNCED
    (event,) = await sent.events("message.bounced")
    assert (event.data["source"], event.data["status"]) == ("dsn", "5.1.1")
    assert await is_suppressed(house)
    assert (found.kind, found.automatic, found.match.method) == ("bounce", True, "bounce_address")
    assert found.thread_id == (await letter_of(house, sent.id)).thread_id


@pytest.mark.parametrize("status", ["5.2.2", "5.7.1", "5.4.7", "5.0.0"])
async def test_only_a_missing_mailbox_is_written_to_no_more(house: House, status: str) -> None:
    sent, path = await delivered(house)
    await received(house, failure(status=status), path, sender="")
    assert await sent.state() is State.BOUNCED
    assert not await is_suppressed(house)


async def test_a_delay_changes_nothing(house: House) -> None:
    sent, path = await delivered(house)
    found = await received(house, failure(status="4.4.1", action="delayed"), path, sender="")
    assert await sent.state() is State.DELIVERED
    assert found.kind == "auto_reply"


async def test_a_report_changes_only_whom_it_names(house: House) -> None:
    sent, path = await delivered(house, [ANN, f"bea@{FAR}"])
    await received(house, failure(), path, sender="")
    states = {str(each.address): each.state for each in await sent.recipients()}
    assert states == {ANN: State.BOUNCED, f"bea@{FAR}": State.DELIVERED}


async def test_a_forged_report_changes_nothing(house: House) -> None:
    sent, path = await delivered(house)
    other, _ = await delivered(house, f"bea@{FAR}")
    about = failure().replace(
        b"text/rfc822-headers\r\n\r\n", f"text/rfc822-headers\r\n\r\nReturn-Path: <{path}>\r\n".encode()
    )
    found = await received(house, about, ME, sender="")
    assert found.kind == "bounce"
    await received(house, failure(f"bea@{FAR}"), path, sender="")
    last = path[path.index("@") - 1]
    forged = path.replace(f"{last}@", "a@" if last != "a" else "c@")
    (refused,) = await deliver(house, f"<{forged}>", content=failure(), sender="")
    assert refused.startswith("550 ")
    assert [await sent.state(), await other.state()] == [State.DELIVERED, State.DELIVERED]
    assert not await is_suppressed(house)


async def test_a_report_that_is_faster_than_the_reply_it_follows_is_heard(house: House) -> None:
    gate = house.mx.stalls(".")
    sent = await house.submit(to=ANN, sender=ME)
    await house.way_out.dispatcher.look()
    await house.mx.messages_arrive()
    path = house.mx.received[-1].reverse_path
    id_ = await post(house, failure(), path, sender="")
    other = await post(house, reply("<else@x>"), ME)
    while await house.way_in.reader.step():
        pass
    assert await sent.state() is State.LEASED
    assert await house.count("arrivals") == 1
    assert (await letter_of(house, other)).subject == "Re: Invoice 7"

    gate.set()
    await house.run_until_idle()
    assert await sent.state() is State.BOUNCED
    assert (await letter_of(house, id_)).kind == "bounce"
    assert await house.count("arrivals") == 0


async def test_a_complaint_is_told_and_heeded(house: House) -> None:
    sent, path = await delivered(house)
    found = await received(house, complaint(path), ME, sender="fbl@isp.example")
    (event,) = await sent.events("message.complained")
    assert event.data["feedback_type"] == "abuse"
    assert found.kind == "complaint"
    assert await is_suppressed(house)
    assert await sent.state() is State.DELIVERED


async def test_a_forged_complaint_and_a_friendly_one_change_nothing(house: House) -> None:
    sent, path = await delivered(house)
    await received(house, complaint(f"b+000000@bounces.{US}"), ME)
    await received(house, complaint(path, "not-spam"), ME)
    assert await sent.events("message.complained") == []
    assert not await is_suppressed(house)


def reply(sent_id: str, *fields: str, subject: str = "Re: Invoice 7", body: str = "Yes.") -> bytes:
    head = [f"From: Ann <{ANN}>", f"To: {ME}", f"Subject: {subject}", f"In-Reply-To: {sent_id}", *fields]
    return ("\r\n".join(head) + f"\r\n\r\n{body}\r\n").encode()


AUTOMATIC = {
    "out of office": (("Auto-Submitted: auto-replied",), "Out of office", "auto_reply"),
    "list": (("List-Id: <all.far.example>", "Precedence: list"), "Re: Invoice 7", "list"),
}


@pytest.mark.parametrize("what", AUTOMATIC)
async def test_what_a_program_answers_is_no_reply(house: House, what: str) -> None:
    fields, subject, kind = AUTOMATIC[what]
    sent, _ = await delivered(house)
    found = await received(house, reply((await sent.stored()).message_id, *fields, subject=subject), ME)
    assert (found.kind, found.automatic, found.match.method) == (kind, True, "in_reply_to")
    assert await sent.events("message.replied") == []


async def test_a_receipt_for_reading_is_automatic(house: House) -> None:
    sent, _ = await delivered(house)
    receipt = report(
        "disposition-notification",
        f"Final-Recipient: rfc822; {ANN}\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n",
        sender=ANN,
    )
    head = f"In-Reply-To: {(await sent.stored()).message_id}\r\n".encode()
    found = await received(house, head + receipt, ME, sender="")
    assert (found.kind, found.automatic) == ("auto_reply", True)
    assert await sent.events("message.replied") == []
    assert await sent.state() is State.DELIVERED


async def test_an_authentic_reader_who_wants_no_more_gets_no_more(house: House) -> None:
    house.dns.txt(FAR, "v=spf1 ip4:127.0.0.1 -all")
    house.dns.txt(f"_dmarc.{FAR}", "v=DMARC1; p=none")
    sent, _ = await delivered(house)
    found = await received(house, reply((await sent.stored()).message_id, body="unsubscribe"), ME)
    assert found.kind == "unsubscribe"
    assert len(await sent.events("message.unsubscribed")) == 1
    assert await is_suppressed(house)


async def test_nobody_else_can_say_so_for_him(house: House) -> None:
    house.dns.txt(FAR, "v=spf1 -all")
    house.dns.txt(f"_dmarc.{FAR}", "v=DMARC1; p=none")
    sent, _ = await delivered(house)
    found = await received(house, reply((await sent.stored()).message_id, body="unsubscribe"), ME)
    assert found.kind == "unsubscribe"
    assert await sent.events("message.unsubscribed") == []
    assert not await is_suppressed(house)
