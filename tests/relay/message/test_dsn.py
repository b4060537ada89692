"""A notice tells people and programs what became of each recipient; nothing breaks out of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.address import parse_address
from relay.message.dsn import (
    MAX_FULL_SIZE,
    MAX_RECIPIENTS,
    Dsn,
    DsnAction,
    DsnRecipient,
    build_dsn,
    in_parts,
    returns_full,
)
from relay.message.headers import Header
from relay.replies import SmtpReply

_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_HEADER = (
    b"Received: from app.example.com by mail.example.com\r\nFrom: ann@example.com\r\nTo: bob@b.test\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.com>\r\n"
)
_BODY = b"Hello\r\n.\r\n--x\r\n \r\n\r\n"
_NO_SUCH = SmtpReply.read(550, "5.1.1 No such\nuser here")


def _bob(
    action: DsnAction = DsnAction.FAILED,
    reply: SmtpReply = _NO_SUCH,
    address: str = "bob@b.test",
    **more: object,
) -> DsnRecipient:
    facts: dict[str, object] = {"remote_mta": "mx.b.test", "last_attempt_at": _AT, **more}
    return DsnRecipient(parse_address(address), action, reply, **facts)  # type: ignore[arg-type]


def _dsn(*recipients: DsnRecipient, **more: object) -> Dsn:
    facts: dict[str, object] = {"original_header": _HEADER, "arrived_at": _AT - timedelta(hours=1), **more}
    return Dsn(
        "mail.example.com",
        parse_address("ann@example.com"),
        "<dsn1@mail.example.com>",
        _AT,
        recipients=recipients or (_bob(),),
        **facts,  # type: ignore[arg-type]
    )


def _parsed(dsn: Dsn) -> tuple[EmailMessage, str, list[Message], EmailMessage]:
    """The whole, the text, the groups of the report, and the part with the original."""
    header, body = build_dsn(dsn)
    whole = message_from_bytes(header + b"\r\n" + body, policy=policy.SMTPUTF8)
    assert isinstance(whole, EmailMessage)
    assert not whole.defects
    text, report, original = whole.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(original, EmailMessage)
    groups: Sequence[Message] = report.get_payload()  # type: ignore[assignment]
    return whole, text.get_content(), list(groups), original


def test_a_failure_is_told_to_people_and_programs() -> None:
    carl = _bob(DsnAction.FAILED, SmtpReply(550, "5.4.4", "No server"), "carl@c.test", remote_mta=None)
    dsn = _dsn(_bob(orcpt="rfc822;bob+2Bx@b.test"), carl, envid="QQ+2B1")
    whole, text, groups, original = _parsed(dsn)

    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.com>"
    assert whole["To"] == "ann@example.com"
    assert whole["Auto-Submitted"] == "auto-replied"
    assert whole["Subject"] == "Not delivered: 2 recipients"
    assert whole["References"] == whole["In-Reply-To"] == "<1@example.com>"
    assert whole["Message-ID"] == "<dsn1@mail.example.com>"
    assert whole["Content-Transfer-Encoding"] == "7bit"
    assert [list(group.items()) for group in groups] == [
        [
            ("Reporting-MTA", "dns; mail.example.com"),
            ("Original-Envelope-Id", "QQ+1"),
            ("Arrival-Date", "Mon, 02 Mar 2026 08:00:00 +0000"),
        ],
        [
            ("Original-Recipient", "rfc822; bob+x@b.test"),
            ("Final-Recipient", "rfc822; bob@b.test"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Remote-MTA", "dns; mx.b.test"),
            ("Diagnostic-Code", "smtp; 550 5.1.1 No such user here"),
            ("Last-Attempt-Date", "Mon, 02 Mar 2026 09:00:00 +0000"),
        ],
        [
            ("Final-Recipient", "rfc822; carl@c.test"),
            ("Action", "failed"),
            ("Status", "5.4.4"),
            ("Diagnostic-Code", "x-posthouse; 550 5.4.4 No server"),
            ("Last-Attempt-Date", "Mon, 02 Mar 2026 09:00:00 +0000"),
        ],
    ]
    assert "mx.b.test answered: 550 5.1.1 No such user here" in text
    assert "Please check the spelling" in text
    assert "It will not be tried again." in " ".join(text.split())
    assert "Found by this server: 550 5.4.4 No server" in text
    assert "Subject: Grüße" in text
    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload(decode=True) == _HEADER


def test_a_delay_says_until_when_it_is_tried() -> None:
    later = SmtpReply.read(451, "4.7.1 greylisted")
    _, text, groups, _ = _parsed(_dsn(_bob(DsnAction.DELAYED, later, retry_until=_AT + timedelta(days=5))))

    assert groups[1]["Action"] == "delayed"
    assert groups[1]["Status"] == "4.7.1"
    assert groups[1]["Will-Retry-Until"] == "Sat, 07 Mar 2026 09:00:00 +0000"
    assert "Sat, 07 Mar 2026 09:00:00 +0000" in " ".join(text.split())
    assert "You need not do anything" in text


@pytest.mark.parametrize(
    ("action", "word"), [(DsnAction.DELIVERED, "Delivered"), (DsnAction.RELAYED, "Relayed")]
)
def test_success_is_told_too(action: DsnAction, word: str) -> None:
    whole, _, groups, _ = _parsed(
        _dsn(_bob(action, SmtpReply.read(250, "2.0.0 ok")), ret="FULL", original_body=_BODY)
    )

    assert whole["Subject"] == f"{word}: bob@b.test"
    assert (groups[1]["Action"], groups[1]["Status"]) == (action.value, "2.0.0")


def test_mail_that_waited_too_long_has_the_status_of_that() -> None:
    expired = _bob(DsnAction.FAILED, SmtpReply.read(450, "4.2.1 busy"), status="4.4.7")
    _, text, groups, _ = _parsed(_dsn(expired))

    assert groups[1]["Status"] == "4.4.7"
    assert groups[1]["Diagnostic-Code"] == "smtp; 450 4.2.1 busy"
    assert "The time allowed for trying is over." in text


def test_a_reply_without_enhanced_code_has_a_status_of_its_class() -> None:
    _, _, groups, _ = _parsed(_dsn(_bob(reply=SmtpReply.read(552, "no"))))

    assert groups[1]["Status"] == "5.0.0"


def test_the_full_message_returns_as_it_was_where_asked_for() -> None:
    header, body = build_dsn(_dsn(ret="FULL", original_body=_BODY))

    assert b"Content-Type: message/rfc822\r\n" in body
    assert _HEADER + b"\r\n" + _BODY + b"\r\n--" in body
    assert Header.parse(header).first("content-transfer-encoding") == "7bit"


@pytest.mark.parametrize(
    ("ret", "action", "body"),
    [
        ("HDRS", DsnAction.FAILED, _BODY),
        (None, DsnAction.FAILED, _BODY),
        ("FULL", DsnAction.DELAYED, _BODY),
        ("FULL", DsnAction.DELIVERED, _BODY),
        ("FULL", DsnAction.FAILED, b"x" * MAX_FULL_SIZE),
        ("FULL", DsnAction.FAILED, b"y" * 1200 + b"\r\n"),
        ("FULL", DsnAction.FAILED, None),
    ],
    ids=["headers", "unsaid", "delay", "success", "too large", "lines too long", "no body"],
)
def test_else_only_the_header_returns(ret: str | None, action: DsnAction, body: bytes | None) -> None:
    _, _, _, original = _parsed(_dsn(_bob(action), ret=ret, original_body=body))

    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload(decode=True) == _HEADER


def test_octets_beyond_ascii_are_declared() -> None:
    full = _dsn(ret="FULL", original_body="Grüße\r\n".encode())
    whole, _, _, original = _parsed(full)
    assert whole["Content-Transfer-Encoding"] == original["Content-Transfer-Encoding"] == "8bit"

    latin = _HEADER + b"X-Name: J\xf6rg\r\n"
    whole, _, _, original = _parsed(_dsn(original_header=latin))
    assert original["Content-Transfer-Encoding"] == "quoted-printable"
    assert original.get_payload(decode=True) == latin
    assert build_dsn(_dsn(original_header=latin))[1].isascii()


def test_utf8_addresses_and_headers_take_the_forms_made_for_them() -> None:
    recipient = _bob(address="jörg@bücher.example", orcpt="utf-8;j\\x{F6}rg@x.test")
    header, body = build_dsn(_dsn(recipient, original_header=_HEADER + "To: jörg@b.test\r\n".encode()))

    assert b"Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in body
    assert "Original-Recipient: utf-8; jörg@x.test\r\n".encode() in body
    assert "Final-Recipient: utf-8; jörg@xn--bcher-kva.example\r\n".encode() in body
    assert b"Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n" in body
    assert b"Content-Transfer-Encoding: 8bit\r\n" in header
    assert Header.parse(header).first("subject") != ""
    full = _dsn(ret="FULL", original_header="To: jörg@b.test\r\n".encode(), original_body=b"x\r\n")
    assert b"Content-Type: message/global\r\n" in build_dsn(full)[1]


_ANY = st.text(max_size=300)


@settings(max_examples=200)
@given(st.integers(400, 599), _ANY, _ANY, st.from_regex(r"[a-z0-9]+;[!-<>-~]{0,60}", fullmatch=True), _ANY)
def test_hostile_words_stay_inside_their_field(
    code: int, words: str, host: str, orcpt: str, subject: str
) -> None:
    hostile = _bob(reply=SmtpReply(code, None, words), remote_mta=host or None, orcpt=orcpt)
    line = "".join(character for character in subject if character not in "\r\n\0").encode("utf-8", "replace")
    header, body = build_dsn(_dsn(hostile, original_header=b"Subject: " + line + b"\r\n", envid=orcpt))
    _, text, groups, _ = _parsed(_dsn(hostile, envid=orcpt))

    assert len(header) + len(body) <= 50_000
    bare = (header + body).replace(b"\r\n", b"")
    assert not any(character in bare for character in (b"\r", b"\n", b"\0"))
    assert len(groups) == 2
    assert groups[1]["Action"] == "failed"
    assert body.count(b"\r\n--=_") == 3
    assert text.count("bob@b.test") >= 1


def test_the_largest_notice_is_small() -> None:
    long = "x" * 60 + "@" + ".".join(["d" * 60] * 3) + ".test"
    recipients = [
        _bob(reply=SmtpReply(550, "5.7.1", "w " * 3000), address=long, orcpt="rfc822;" + "o" * 490)
        for _ in range(MAX_RECIPIENTS)
    ]
    header, body = build_dsn(_dsn(*recipients, original_header=b"X-Long: y\r\n" * 10_000))

    assert len(header) + len(body) <= 50_000
    assert body.count(b"\r\nX-Long: y") > 10


def test_many_recipients_are_told_about_in_parts() -> None:
    recipients = [_bob()] * (2 * MAX_RECIPIENTS + 1)

    assert [len(part) for part in in_parts(recipients)] == [MAX_RECIPIENTS, MAX_RECIPIENTS, 1]
    for wrong in ((), tuple(recipients)):
        with pytest.raises(ValueError, match="recipients"):
            build_dsn(Dsn("m.test", parse_address("a@a.test"), "<1@m.test>", _AT, _AT, wrong, _HEADER))


def test_who_reads_the_body_can_ask_first() -> None:
    assert returns_full("FULL", [_bob()], MAX_FULL_SIZE)
    assert not returns_full("FULL", [_bob()], MAX_FULL_SIZE + 1)
    assert not returns_full("HDRS", [_bob()], 1)
    assert not returns_full("FULL", [_bob(DsnAction.DELAYED)], 1)


def test_the_same_notice_has_the_same_octets() -> None:
    assert build_dsn(_dsn()) == build_dsn(_dsn())


def test_a_header_that_cannot_be_read_still_returns() -> None:
    _, text, _, original = _parsed(_dsn(original_header=b"no field\nat all\r\n"))

    assert original.get_payload(decode=True) == b"no field\nat all\r\n"
    assert "bob@b.test" in text
