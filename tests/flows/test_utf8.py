"""Addresses and bodies beyond ASCII reach servers that take them, and fail or are converted elsewhere."""

import email
import email.policy

import dkim
import pytest

from relay.queue.state import State
from tests.flows.house import FAR, OURS, House

BODY = "Grüße aus Köln\r\n".encode()
HEAD = (
    b"From: app@ours.test\r\nTo: ann@far.example\r\nSubject: hello\r\nMessage-ID: <8@app.test>\r\n"
    b"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
)
UTF8 = f"jürgen@{FAR}"


def signatures_hold(house: House, monkeypatch: pytest.MonkeyPatch, content: bytes) -> bool:
    monkeypatch.setattr("dkim.time.time", lambda: house.clock.now().timestamp())
    keys = {key.dns_name: key.dns_record for key in house.station.keys.active(OURS)}
    judge = dkim.DKIM(content)
    return all(
        judge.verify(idx=index, dnsfunc=lambda name, timeout=5: keys[name.decode().rstrip(".")].encode())
        for index in range(2)
    )


async def test_a_utf_8_recipient_reaches_a_server_that_knows_it(house: House) -> None:
    sent = await house.submit(
        to=UTF8, message=HEAD + b"\r\n" + BODY, mail_options=["SMTPUTF8", "BODY=8BITMIME"]
    )
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (arrived,) = house.mx.received
    assert arrived.recipients == [UTF8]
    assert "SMTPUTF8" in arrived.parameters


async def test_elsewhere_it_bounces_alone_and_the_sender_is_told(house: House) -> None:
    house.mx.hides("SMTPUTF8")
    sent = await house.submit(
        to=[UTF8, f"ann@{FAR}"], message=HEAD + b"\r\nplain\r\n", mail_options=["SMTPUTF8"]
    )
    await house.run_until_idle()
    assert [recipient.state for recipient in await sent.recipients()] == [State.BOUNCED, State.DELIVERED]
    assert (await sent.recipients())[0].reason != "no_such_mailbox"
    (notice,) = await house.notices()
    (about,) = notice.recipients
    assert about["Status"] == "5.6.7"
    assert about["Action"] == "failed"


async def test_a_domain_in_utf_8_is_only_another_spelling(house: House) -> None:
    house.mx.hides("SMTPUTF8")
    house.dns.mx("xn--mller-kva.example", (10, f"mx.{FAR}"))
    sent = await house.submit(
        to="ann@müller.example", message=HEAD + b"\r\nhi\r\n", mail_options=["SMTPUTF8"]
    )
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert house.mx.received[0].recipients == ["ann@xn--mller-kva.example"]


async def test_headers_that_asked_for_smtputf8_go_only_where_it_is_known(house: House) -> None:
    house.mx.hides("SMTPUTF8")
    written = HEAD + "X-Name: Jürgen\r\n".encode() + b"\r\nplain\r\n"
    sent = await house.submit(message=written, mail_options=["SMTPUTF8"])
    await house.run_until_idle()
    assert await sent.state() is State.BOUNCED
    assert (await house.notices())[0].recipients[0]["Status"] == "5.6.7"


async def test_an_8_bit_body_is_converted_for_an_old_server_and_signed_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.mx.hides("8BITMIME")
    sent = await house.submit(message=HEAD + b"\r\n" + BODY, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (arrived,) = house.mx.received
    assert arrived.content.isascii()
    assert not any(word.startswith("BODY=") for word in arrived.parameters)
    parsed = email.message_from_bytes(arrived.content, policy=email.policy.SMTP)
    assert parsed.get_payload(decode=True) == BODY
    assert signatures_hold(house, monkeypatch, arrived.content)


async def test_raw_octets_in_a_header_keep_nothing_from_an_old_server(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.mx.hides("8BITMIME")
    raw = HEAD.replace(b"hello", b"\xe9t\xe9")
    sent = await house.submit(message=raw + b"\r\n" + BODY, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    (arrived,) = house.mx.received
    assert b"Subject: \xe9t\xe9\r\n" in arrived.content
    assert email.message_from_bytes(arrived.content).get_payload(decode=True) == BODY
    assert signatures_hold(house, monkeypatch, arrived.content)


async def test_what_must_not_be_converted_bounces_and_says_so(house: House) -> None:
    house.mx.hides("8BITMIME")
    signed = HEAD.replace(
        b"text/plain; charset=utf-8",
        b'multipart/signed; boundary="b"; micalg=sha1; protocol="application/pgp-signature"',
    )
    body = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + BODY + b"--b--\r\n"
    sent = await house.submit(message=signed + b"\r\n" + body, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    assert await sent.state() is State.BOUNCED
    (notice,) = await house.notices()
    assert notice.recipients[0]["Status"] == "5.6.3"


async def test_an_8_bit_body_goes_as_it_is_where_it_may(house: House) -> None:
    await house.submit(message=HEAD + b"\r\n" + BODY, mail_options=["BODY=8BITMIME"])
    await house.run_until_idle()
    (arrived,) = house.mx.received
    assert "BODY=8BITMIME" in arrived.parameters
    assert arrived.content.endswith(HEAD + b"\r\n" + BODY)


async def test_a_notice_about_a_utf_8_recipient_can_be_read(house: House) -> None:
    house.mx.answers("RCPT", "550 5.1.1 no such user")
    await house.submit(to=UTF8, message=HEAD + b"\r\nplain\r\n", mail_options=["SMTPUTF8"])
    await house.run_until_idle()
    (notice,) = await house.notices()
    assert notice.recipients[0]["Final-Recipient"].startswith("utf-8; ")
    assert "jürgen" in notice.text
