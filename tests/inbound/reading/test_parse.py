"""One message comes apart into people, marks, text, attachments and reports."""

from datetime import UTC, datetime

import pytest

from inbound.reading.parsed import FoundBounce
from relay.clock import to_us
from relay.message.person import Person
from tests.inbound.reading.mails import DSN, read


def test_the_header_s_people_and_marks_are_read() -> None:
    parsed = read(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@far.example>\n"
        "To: Ann <ann@ours.test>,\n bob@ours.test\n"
        "Cc: Team: carl@ours.test;\n"
        "Reply-To: desk@far.example\n"
        "Subject: Re:\n =?utf-8?q?gr=C3=BC=C3=9Fe?=\n"
        "Date: Mon, 2 Mar 2026 10:00:00 +0100\n"
        "Message-ID: <three@far.example>\n"
        "In-Reply-To: <two@ours.test>\n"
        "References: <one@far.example>\n <two@ours.test>\n"
        "Thread-Index: AQHVmjWJVOePgYa0rkWPYLbBUSK2Cg==\n"
        "\nhello\n"
    )
    assert parsed.sender == (Person("joerg@far.example", "Jörg"),)
    assert parsed.to == (Person("ann@ours.test", "Ann"), Person("bob@ours.test"))
    assert parsed.cc == (Person("carl@ours.test"),)
    assert parsed.reply_to == (Person("desk@far.example"),)
    assert parsed.subject == parsed.first("Subject") == "Re: grüße"
    assert parsed.date == to_us(datetime(2026, 3, 2, 9, tzinfo=UTC))
    assert parsed.message_id == "<three@far.example>"
    assert parsed.in_reply_to == ("<two@ours.test>",)
    assert parsed.references == ("<one@far.example>", "<two@ours.test>")
    assert parsed.thread_index == "AQHVmjWJVOePgYa0rkWPYLbBUSK2Cg=="
    assert (parsed.text, parsed.html, parsed.flags) == ("hello\n", None, ())


def test_of_alternatives_both_forms_are_kept_and_related_images_are_inline() -> None:
    parsed = read(
        "Content-Type: multipart/mixed; boundary=m\n\npreamble\n"
        "--m\nContent-Type: multipart/alternative; boundary=a\n\n"
        "--a\n\nplain\n"
        "--a\nContent-Type: multipart/related; boundary=r\n\n"
        "--r\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
        "<b>=FC</b>\n"
        "--r\nContent-Type: image/png\nContent-ID: <logo>\nContent-Transfer-Encoding: base64\n\nQUJD\n--r--\n"
        "--a--\nepilogue\n"
        "--m\nContent-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\nPDF\n"
        "--m--\n"
    )
    assert (parsed.text, parsed.html) == ("plain", "<b>ü</b>")
    image, pdf = parsed.attachments
    assert (image.part, image.disposition, image.content_id, image.size) == (2, "inline", "logo", 3)
    assert (pdf.part, pdf.disposition, pdf.filename, pdf.size) == (3, "attachment", "a.pdf", 3)
    assert parsed.flags == ()


def test_texts_that_follow_one_another_are_put_together() -> None:
    parsed = read(
        "Content-Type: multipart/mixed; boundary=m\n\n"
        "--m\n\none\n--m\nContent-Type: text/html\n\n<p>two &amp; two</p>\n--m\n\nthree <x>\n--m--\n"
    )
    assert parsed.text == "one\ntwo & two\nthree <x>\n"
    assert parsed.html is not None
    assert "<p>two" in parsed.html
    assert "three &lt;x&gt;" in parsed.html


def test_a_text_with_a_name_and_a_message_inside_are_attachments() -> None:
    parsed = read(
        "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nsee below\n"
        "--m\nContent-Type: text/plain; name=patch.txt\nContent-Disposition: inline\n\n--- a/x\n"
        "--m\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=i\n\n"
        "--i\n\ninner text\n--i--\n--m--\n"
    )
    assert parsed.text == "see below"
    assert [(each.content_type, each.disposition) for each in parsed.attachments] == [
        ("text/plain", "inline"),
        ("message/rfc822", "attachment"),
    ]


def test_signed_and_encrypted_mail_is_opened_as_far_as_it_is_readable() -> None:
    signed = read(
        "Content-Type: multipart/signed; boundary=s\n\n--s\n\nsaid\n"
        "--s\nContent-Type: application/pgp-signature\n\nsig\n--s--\n"
    )
    assert signed.text == "said"
    assert [each.content_type for each in signed.attachments] == ["application/pgp-signature"]
    encrypted = read(
        "Content-Type: multipart/encrypted; boundary=e\n\n--e\nContent-Type: application/pgp-encrypted\n\n"
        "Version: 1\n--e\nContent-Type: application/octet-stream\n\nsecret\n--e--\n"
    )
    assert encrypted.text == ""
    assert len(encrypted.attachments) == 2


def test_a_delivery_report_gives_its_groups_and_what_it_returns() -> None:
    parsed = read(DSN)
    assert parsed.report is not None
    assert parsed.report.kind == "delivery-status"
    message, ann, bob = parsed.report.groups
    assert message == {"reporting-mta": ["dns; mx.far.example"]}
    assert ann["diagnostic-code"] == ["smtp; 550 5.1.1  no such user"]
    assert bob["action"] == ["delayed"]
    assert parsed.report.original["message-id"] == ["<sent@ours.test>"]
    assert parsed.report.original["subject"] == ["grüße"]
    assert parsed.text == "The message was not delivered."
    assert parsed.bounces == ()


@pytest.mark.parametrize("kind", ["feedback-report", "disposition-notification"])
def test_complaints_and_read_receipts_are_reports_of_one_group(kind: str) -> None:
    parsed = read(
        f"Content-Type: multipart/report; boundary=r\n\n--r\n\nx\n--r\nContent-Type: message/{kind}\n"
        "Content-Transfer-Encoding: base64\n\nVmVyc2lvbjogMQ0KWDogeQ0K\n"
        "--r\nContent-Type: text/rfc822-headers\n\nMessage-ID: <sent@ours.test>\n--r--\n"
    )
    assert parsed.report is not None
    assert parsed.report.kind == kind
    assert parsed.report.groups == ({"version": ["1"], "x": ["y"]},)
    assert parsed.report.original == {"message-id": ["<sent@ours.test>"]}


def test_a_notice_in_no_standard_form_names_whom_it_could_not_reach() -> None:
    parsed = read(
        "Return-Path: <>\nFrom: MAILER-DAEMON@far.example\nSubject: failure notice\n\n"
        "Hi. This is the qmail-send program at far.example.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
        "<ann@far.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
    )
    assert parsed.bounces == (FoundBounce("ann@far.example", permanent=True),)


def test_people_s_mail_is_not_searched_for_bounces() -> None:
    text = "<ann@far.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
    intro = "Hi. This is the qmail-send program at far.example.\n\n"
    parsed = read(f"Return-Path: <bob@far.example>\nFrom: bob@far.example\n\n{intro}{text}")
    assert parsed.bounces == ()


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"gr\xc3\xbc\xc3\x9fe", "utf-8", "grüße"),
        (b"gr\xfc\xdfe \x80", "iso-8859-1", "grüße €"),
        (b'\x1b$B$"\x1b(B', "iso-2022-jp", "あ"),
        (b"gr\xc3\xbc\xc3\x9fe", "us-ascii", "grüße"),
        (b"a\x00b", "us-ascii", "a\ufffdb"),
        (b"+2AA-", "utf-7", "\ufffd"),
    ],
)
def test_character_sets_become_text_without_surrogates_and_nul(
    octets: bytes, charset: str, text: str
) -> None:
    assert read(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n" + octets).text == text


@pytest.mark.parametrize(
    ("body", "text", "flags"),
    [
        ("YQ==", "a", ()),
        ("Y Q\n=\n", "a", ()),
        ("*Y*Q*==", "a", ()),
        ("YWJj\nZ", "abc", ("bad_encoding",)),
        ("", "", ()),
    ],
)
def test_broken_base64_gives_what_it_has(body: str, text: str, flags: tuple[str, ...]) -> None:
    parsed = read(f"Content-Transfer-Encoding: Base64 \n\n{body}")
    assert (parsed.text, parsed.flags) == (text, flags)


def test_an_unknown_encoding_is_none_and_said() -> None:
    parsed = read("Content-Transfer-Encoding: x-rot\n\nas it came\n")
    assert (parsed.text, parsed.flags) == ("as it came\n", ("bad_encoding",))


@pytest.mark.parametrize(
    ("mail", "text"),
    [
        ("Content-Type: multipart/mixed\n\nno boundary\n", "no boundary\n"),
        ("Content-Type: multipart/mixed; boundary=m\n\nnever used\n", "never used\n"),
        ("Content-Type: multipart/mixed; boundary=m\n\n--m\n\nno end\n", "no end\n"),
        ("Content-Type: multipart/mixed; boundary=m\n\n--m\n--m\n\nsecond\n--m--\n", "second"),
        (
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n"
            "Content-Type: multipart/mixed; boundary=i\n\n--i\n\ninner\n--m\n\nouter\n--m--\n",
            "inner\nouter\n",
        ),
        (
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n"
            "Content-Type: multipart/mixed; boundary=m\n\n--m\n\nreused\n--m--\n",
            "reused",
        ),
    ],
)
def test_a_broken_multipart_is_read_as_far_as_it_goes(mail: str, text: str) -> None:
    parsed = read(mail)
    assert parsed.text == text
    assert "malformed_multipart" in parsed.flags or "--m\n--m\n" in mail


def test_a_boundary_that_begins_like_another_is_not_taken_for_it() -> None:
    parsed = read(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        "Content-Type: multipart/mixed; boundary=b-\n\n--b-\n\none\n--b-x\n--b---\n--b\n\ntwo\n--b--\n"
    )
    assert (parsed.text, parsed.flags) == ("one\n--b-x\ntwo\n", ())


def test_lines_that_are_no_field_are_passed_over() -> None:
    parsed = read(b" folded from nothing\r\nno colon\r\nFrom a@b\r\n: x\r\nSubject : said\nX: y\r\n\r\ntext")
    assert (parsed.subject, parsed.text) == ("said", "text")
    assert set(parsed.fields) == {"subject", "x"}
