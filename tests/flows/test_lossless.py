"""What was submitted arrives as it was: every octet of body and header, every recipient."""

import re
from smtplib import SMTPDataError

import dkim
import pytest

from relay.message.headers import Header
from relay.queue.state import State
from tests.fakes.far_mx import Received
from tests.flows.house import FAR, OURS, House

BODIES = {
    "8-bit": "Grüße, 日本\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "long lines": b"x" * 5000 + b"\r\n" + b"y" * 70_000 + b"\r\n",
    "leading dots": b".\r\n..\r\n...three\r\n. \r\n",
    "no body": b"",
    "empty lines at the end": b"text\r\n\r\n\r\n\r\n",
    "white space": b"  a \t b  \r\n\t\r\n \r\nend \r\n",
    "200 KiB": b"0123456789abcdef" * 8 * 1600,
    "1.5 MiB": (b"z" * 998 + b"\r\n") * 1600,
}


def with_body(body: bytes, *fields: bytes) -> bytes:
    head = [
        b"From: App <app@ours.test>",
        b"To: ann@far.example",
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        b"Message-ID: <same@app.test>",
        b"Date: Mon, 02 Mar 2026 09:00:00 +0000",
        b"MIME-Version: 1.0",
        b"Content-Type:  text/plain;\r\n\tcharset=utf-8",
        b"X-Odd:   kept   as\r\n  it is",
        *fields,
    ]
    return b"".join(field + b"\r\n" for field in head) + b"\r\n" + body


def signatures_hold(house: House, monkeypatch: pytest.MonkeyPatch, content: bytes) -> bool:
    monkeypatch.setattr("dkim.time.time", lambda: house.clock.now().timestamp())
    keys = {key.dns_name: key.dns_record for key in house.station.keys.active(OURS)}
    judge = dkim.DKIM(content)
    return all(
        judge.verify(idx=index, dnsfunc=lambda name, timeout=5: keys[name.decode().rstrip(".")].encode())
        for index in range(2)
    )


async def arrival(house: House, message: bytes) -> Received:
    sent = await house.submit(message=message, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (arrived,) = house.mx.received
    return arrived


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
async def test_the_message_arrives_octet_for_octet_below_what_we_prepend(
    house: House, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    # smtplib ends every message with CRLF, as SMTP must.
    written = with_body(body if body.endswith(b"\r\n") or not body else body + b"\r\n")

    arrived = await arrival(house, written)

    assert arrived.content.endswith(written)
    prepended = arrived.content[: -len(written)]
    names = [name.lower() for name in re.findall(rb"^([A-Za-z-]+):", prepended, re.MULTILINE)]
    assert names == [b"dkim-signature", b"dkim-signature", b"received"]
    assert b"\n" not in arrived.content.replace(b"\r\n", b"")
    assert signatures_hold(house, monkeypatch, arrived.content)
    assert house.leftovers() == []


async def test_bcc_and_our_control_fields_go_and_nothing_else(house: House) -> None:
    private = [
        b"Bcc: secret@far.example",
        b"X-Posthouse-Tag: a, b",
        b'X-Posthouse-Metadata: {"order": "7"}',
        b"X-Posthouse-Pool: invoices",
        b"X-Posthouse-Idempotency-Key: k1",
    ]
    kept = b"X-Posthouse: not ours to take"

    arrived = await arrival(house, with_body(b"text\r\n", *private, kept))

    assert arrived.content.endswith(with_body(b"text\r\n", kept))
    lowered = arrived.content.lower()
    assert b"bcc" not in lowered
    assert b"secret@" not in lowered
    assert b"x-posthouse-" not in lowered


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("X-Posthouse-Tags", "X-Posthouse-Tags: is no field of ours; did you mean X-Posthouse-Tag?"),
        ("x-posthouse-sendat", "did you mean X-Posthouse-Send-At?"),
        ("X-Posthouse-Idempotence", "did you mean X-Posthouse-Idempotency-Key?"),
        ("X-Posthouse-Colour", "known are X-Posthouse-Tag, "),
        ("X-Posthouse-" + "x" * 900, "known are X-Posthouse-Tag, "),
    ],
)
async def test_a_control_field_that_nobody_knows_is_refused(house: House, name: str, advice: str) -> None:
    with pytest.raises(SMTPDataError) as refused:
        await house.submit(message=with_body(b"text\r\n", name.encode() + b": 1"))

    assert refused.value.smtp_code == 554
    assert "5.6.0 X-Posthouse-" in str(refused.value)
    assert advice in str(refused.value)
    await house.run_until_idle()
    assert house.mx.received == []


async def test_what_the_control_fields_say_is_kept_with_the_message(house: House) -> None:
    fields = [b"X-Posthouse-Tag: a, b", b"X-Posthouse-Tag: c", b'X-Posthouse-Metadata: {"order": "7"}']
    sent = await house.submit(message=with_body(b"text\r\n", *fields))
    stored = await sent.stored()
    assert stored.tags == ("a", "b", "c")
    assert stored.metadata == {"order": "7"}


async def test_a_header_in_raw_utf_8_arrives_where_nobody_asked_for_smtputf8(house: House) -> None:
    house.mx.hides("SMTPUTF8")
    written = with_body(b"text\r\n", "X-Title: Grüße".encode())

    arrived = await arrival(house, written)

    assert arrived.content.endswith(written)


async def test_a_missing_message_id_and_date_are_added(house: House) -> None:
    sent = await house.submit(message=b"From: app@ours.test\r\nSubject: bare\r\n\r\ntext\r\n")
    house.clock.advance(minutes=3)
    await house.run_until_idle()

    (arrived,) = house.mx.received
    header = Header.parse(arrived.content.partition(b"\r\n\r\n")[0] + b"\r\n")
    assert header.all("message-id") == [(await sent.stored()).message_id]
    assert header.first(
        "message-id",
    ).endswith(f"@{OURS}>")  # type: ignore[union-attr]
    assert header.all("date") == ["Mon, 02 Mar 2026 09:00:00 +0000"]


async def test_an_empty_message_id_is_left_as_it_is(house: House) -> None:
    written = b"From: app@ours.test\r\nMessage-ID:\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\ntext\r\n"
    arrived = await arrival(house, written)
    assert arrived.content.endswith(written)


async def test_the_received_field_says_how_it_came_and_no_login(house: House) -> None:
    sent = await house.submit()
    await house.run_until_idle()
    header = Header.parse(house.mx.received[0].content.partition(b"\r\n\r\n")[0] + b"\r\n")
    (trace,) = header.all("received")
    assert "from app.test ([127.0.0.1])" in trace
    assert "with ESMTPA" in trace
    assert sent.id in trace
    assert f"for <ann@{FAR}>" in trace
    assert f"app@{OURS}" not in trace


async def test_recipients_at_one_destination_share_a_transaction_and_keep_their_own_outcome(
    house: House,
) -> None:
    people = [f"p{number}@{FAR}" for number in range(30)]
    house.mx.answers(people[3], "450 4.2.0 not now")
    house.mx.answers(people[4], "550 5.1.1 no such user")

    sent = await house.submit(to=people)
    await house.run_until_idle()

    assert len(house.mx.says("DATA")) == 1
    (arrived,) = house.mx.received
    assert arrived.recipients == people[:3] + people[5:]
    states = [recipient.state for recipient in await sent.recipients()]
    expected = [State.DELIVERED] * 30
    expected[3:5] = [State.DEFERRED, State.BOUNCED]
    assert states == expected


async def test_each_destination_gets_a_transaction_of_its_own(house: House) -> None:
    for name in ("one.example", "two.example"):
        house.dns.mx(name, (10, f"mx.{FAR}"))
    sent = await house.submit(to=["a@one.example", "b@two.example", "c@one.example", f"app@{OURS}"])
    await house.run_until_idle()
    assert sorted(message.recipients for message in house.mx.received) == [
        ["a@one.example", "c@one.example"],
        ["b@two.example"],
    ]
    assert {recipient.state for recipient in await sent.recipients()} == {State.DELIVERED}
    # Nobody's copy names another recipient.
    assert all(b"for <" not in message.content for message in house.mx.received)


async def test_every_attempt_sends_the_same_octets(house: House) -> None:
    house.mx.answers(".", "451 4.3.0 later", then="250 2.0.0 ok")
    await house.submit(message=b"From: app@ours.test\r\n\r\ntext\r\n")
    await house.run_until_idle()
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    first, second = house.mx.taken
    assert first.wire == second.wire


@pytest.mark.parametrize(
    "header", [b"From: app@ours.test\r\nno field at all\r\n", b" folded into nothing\r\n"]
)
async def test_a_header_that_cannot_be_read_is_refused_and_leaves_nothing(
    house: House, header: bytes
) -> None:
    with pytest.raises(Exception, match=r"554|550"):
        await house.submit(message=header + b"\r\n" + b"body\r\n" * 50_000)
    assert await house.count("messages") == 0
    assert house.leftovers() == []
    assert await house.bodies() == set()


async def test_a_header_in_latin_1_arrives_as_it_was_and_repeats_are_known(house: House) -> None:
    odd = "Grüße <übung@app.test>".encode("latin-1")
    written = (
        b"From: app@ours.test\r\nSubject: " + odd + b"\r\nMessage-ID: <" + odd + b">\r\n"
        b"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\ntext\r\n"
    )
    keyed = b"X-Posthouse-Idempotency-Key: k1\r\n" + written
    first = await house.submit(message=keyed)
    assert (await house.submit(message=keyed)).id == first.id
    await house.run_until_idle()
    (arrived,) = house.mx.received
    assert arrived.content.endswith(written)
