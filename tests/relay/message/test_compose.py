"""What is composed reads back as it was meant, and nothing that is put in becomes something else."""

import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.message.addresses import addresses_of
from relay.message.compose import ComposedAttachment, Composition, InvalidComposition, compose
from relay.message.headers import Header, decode_words
from relay.message.person import Person

ANN = Person("ann@ours.test", "Ann")
PLAIN = Composition(sender=ANN, to=(Person("bob@far.test"),), subject="Hello", text="Hello Bob\n")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HARMFUL = [
    *("a\r\nBcc: eve@evil.test", "a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb"),
    *("a\x7fb", "a\udc80b", "a\ud800", "\x0b", "\x0c", "a\r\n\r\nbody"),
]


def read(composition: Composition) -> EmailMessage:
    header, body = compose(composition)
    message = message_from_bytes(header + b"\r\n" + body, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def text_of(part: EmailMessage) -> str:
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def a_file(
    filename: str = "a.txt",
    content: bytes = b"x",
    content_type: str = "text/csv",
    disposition: Literal["attachment", "inline"] = "attachment",
    content_id: str | None = None,
) -> ComposedAttachment:
    return ComposedAttachment(filename, content_type, content, disposition, content_id)


def kinds(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


def test_a_plain_message_is_written_plainly() -> None:
    header, body = compose(
        replace(PLAIN, message_id="<1@ours.test>", date=datetime(2026, 3, 2, 9, tzinfo=UTC))
    )
    assert header == (
        b"From: Ann <ann@ours.test>\r\nTo: bob@far.test\r\nSubject: Hello\r\n"
        b"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <1@ours.test>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"
    )
    assert body == b"Hello Bob\r\n"


def test_without_id_and_date_the_fields_are_left_to_the_acceptance() -> None:
    header = Header.parse(compose(PLAIN)[0])
    assert header.first("Message-ID") is None
    assert header.first("Date") is None


@pytest.mark.parametrize(
    "text",
    [
        "grüße\n",
        "日本語のメール\n" * 30,
        "x" * 5000 + "\n",
        "-- \nAnn\n",
        "a\r\nb\rc\n",
        ".\n..\nFrom x\n",
        "\0\n",
        "",
    ],
)
def test_text_comes_back_whole_in_seven_bits_and_short_lines(text: str) -> None:
    header, body = compose(replace(PLAIN, text=text))
    assert (header + body).isascii()
    assert all(len(line) <= 998 for line in body.split(b"\r\n"))
    assert b"\0" not in body
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert text_of(read(replace(PLAIN, text=text))) == text.replace("\r\n", "\n").replace("\r", "\n")


def test_neither_text_nor_html_is_an_empty_text() -> None:
    message = read(replace(PLAIN, text=None))
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == ""


def test_html_alone_needs_no_multipart() -> None:
    message = read(replace(PLAIN, text=None, html="<p>ü</p>"))
    assert message.get_content_type() == "text/html"
    assert text_of(message) == "<p>ü</p>\n"


def test_everything_at_once_nests_as_readers_expect() -> None:
    picture = a_file("p.png", PNG, "image/png", "inline", "<logo@ours>")
    loose = a_file("q.png", PNG, "image/png", "inline")
    message = read(replace(PLAIN, html='<img src="cid:logo@ours">', attachments=(picture, a_file(), loose)))
    assert kinds(message) == [
        *("multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html"),
        *("image/png", "text/csv", "image/png"),
    ]
    related, _, image, csv, _ = list(message.walk())[3:]
    assert related.get_param("type") == "text/html"
    assert (image["Content-ID"], image.get_content_disposition(), image.get_content()) == (
        "<logo@ours>",
        "inline",
        PNG,
    )
    assert (csv.get_filename(), csv.get_content_disposition()) == ("a.txt", "attachment")


def test_a_picture_without_html_is_a_file_like_others() -> None:
    message = read(replace(PLAIN, attachments=(a_file("p.png", PNG, "image/png", "inline", "x"),)))
    assert kinds(message) == ["multipart/mixed", "text/plain", "image/png"]


@pytest.mark.parametrize(
    "filename", ["Grüße.pdf", "見積書 2026.xlsx", 'a"b.txt', "100%.txt", "a;b=c'd*.txt", "ü" * 120]
)
def test_a_file_name_is_said_in_full_and_in_ascii(filename: str) -> None:
    composition = replace(PLAIN, attachments=(a_file(filename),))
    assert read(composition).get_content_type() == "multipart/mixed"
    _, body = compose(composition)
    assert body.isascii()
    part = list(read(composition).walk())[2]
    disposition = part["Content-Disposition"]
    assert b" filename*=utf-8''" in body
    assert b' filename="' in body
    assert disposition.params["filename"] == filename


def test_a_plain_file_name_is_said_once() -> None:
    _, body = compose(replace(PLAIN, attachments=(a_file("report 2026.pdf"),)))
    assert b'filename="report 2026.pdf"\r\n' in body
    assert b"filename*" not in body


def test_a_message_as_a_file_is_not_encoded() -> None:
    inner = b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n"
    part = list(read(replace(PLAIN, attachments=(a_file("m.eml", inner, "message/rfc822"),))).walk())[2]
    assert part.get_content_type() == "message/rfc822"
    assert part["Content-Transfer-Encoding"] == "7bit"
    inside = part.get_content()
    assert (inside["Subject"], inside.get_content().strip()) == ("x", "grüße")


def test_a_message_that_seven_bits_do_not_hold_is_octets() -> None:
    inner = b"Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n"
    part = list(read(replace(PLAIN, attachments=(a_file("m.eml", inner, "message/rfc822"),))).walk())[2]
    assert (part.get_content_type(), part.get_content()) == ("application/octet-stream", inner)


def test_a_boundary_never_stands_in_a_part() -> None:
    attachments = (a_file(),)
    first = read(replace(PLAIN, attachments=attachments)).get_boundary()
    message = read(replace(PLAIN, text=f"--{first}--\n", attachments=attachments))
    assert text_of(list(message.walk())[1]) == f"--{first}--\n"


@pytest.mark.parametrize(
    "name",
    [
        "Ann Lee",
        "Lee, Ann",
        'Ann "the" \\ Lee',
        "Jörg Müller",
        "日本 太郎",
        "=?utf-8?q?x?=",
        "a@b.test",
        "Q. X",
    ],
)
def test_a_display_name_comes_back_and_the_address_is_clear(name: str) -> None:
    composition = replace(PLAIN, to=(Person("bob@far.test", name), Person("carl@far.test")))
    assert [str(a) for a in addresses_of(Header.parse(compose(composition)[0]).first("To") or "")] == [
        "bob@far.test",
        "carl@far.test",
    ]
    assert read(composition)["To"].addresses[0].display_name == name


def test_a_domain_is_written_in_a_labels() -> None:
    header = Header.parse(compose(replace(PLAIN, to=(Person("bob@Bücher.example"),)))[0])
    assert header.first("To") == "bob@xn--bcher-kva.example"


def test_a_local_part_in_utf8_is_kept_and_reported() -> None:
    composition = replace(PLAIN, cc=(Person("jörg@far.test", "Jörg"),))
    assert composition.needs_utf8
    assert Header.parse(compose(composition)[0]).first("Cc") == "=?utf-8?b?SsO2cmc=?= <jörg@far.test>"
    assert not replace(PLAIN, to=(Person("bob@bücher.example"),)).needs_utf8


def test_only_blind_recipients_leave_an_empty_group() -> None:
    assert Header.parse(compose(replace(PLAIN, to=()))[0]).first("To") == "undisclosed-recipients:;"


def test_long_ids_and_urls_stay_whole() -> None:
    ids = tuple(f"<{'x' * 60}{place}@far.test>" for place in range(30))
    url = f"<https://ours.test/u?token={'y' * 300}=?a>"
    header = Header.parse(
        compose(
            replace(
                PLAIN,
                in_reply_to=ids[-1],
                references=ids,
                headers=(("List-Unsubscribe", url),),
                auto_submitted="auto-replied",
            )
        )[0]
    )
    assert (header.first("References") or "").split() == list(ids)
    assert header.first("In-Reply-To") == ids[-1]
    assert header.first("List-Unsubscribe") == url
    assert header.first("Auto-Submitted") == "auto-replied"


def test_own_fields_of_the_caller_are_text() -> None:
    fields = (("X-Campaign", "Grüße"), ("X-Word", "=?utf-8?q?a=0d=0aBcc:_x?="), ("X-Word", "two"))
    message = read(replace(PLAIN, headers=fields))
    assert message["X-Campaign"] == "Grüße"
    assert message.get_all("X-Word") == ["=?utf-8?q?a=0d=0aBcc:_x?=", "two"]
    assert message["Bcc"] is None


def test_a_subject_without_a_place_to_fold_is_encoded() -> None:
    subject = "x" * 3000
    header, _ = compose(replace(PLAIN, subject=subject))
    assert all(len(line) <= 78 for line in header.split(b"\r\n"))
    assert decode_words(Header.parse(header).first("Subject") or "") == subject


@pytest.mark.parametrize(
    "name",
    [
        *("From", "to", "CC", "Bcc", "Subject", "DATE", "Message-ID", "Received", "Return-Path", "Sender"),
        *("DKIM-Signature", "Authentication-Results", "ARC-Seal", "arc-x", "Content-Type", "Content-Foo"),
        *("MIME-Version", "Reply-To", "In-Reply-To", "References", "X-Posthouse-Tag", "x-posthouse-anything"),
    ],
)
def test_fields_that_are_ours_cannot_be_given(name: str) -> None:
    with pytest.raises(InvalidComposition, match=f"headers.{name}") as refused:
        compose(replace(PLAIN, headers=((name, "x"),)))
    assert refused.value.path == f"headers.{name}"


@pytest.mark.parametrize("name", ["", "A B", "A:", "Ä", "X\r\nBcc", "X\n", "x" * 77])
def test_a_field_has_a_name(name: str) -> None:
    with pytest.raises(InvalidComposition):
        compose(replace(PLAIN, headers=((name, "x"),)))


def with_text(place: str, text: str) -> Composition:
    changes: dict[str, Any] = {
        "subject": {"subject": text},
        "from": {"sender": Person("ann@ours.test", text)},
        "to[1]": {"to": (ANN, Person("bob@far.test", text))},
        "cc[0]": {"cc": (Person(f"b{text}@far.test"),)},
        "reply_to[0]": {"reply_to": (Person(f"bob@far.test{text}"),)},
        "headers.X-A": {"headers": (("X-A", text),)},
        "in_reply_to": {"in_reply_to": f"<{text}@far.test>"},
        "references[0]": {"references": (f"<{text}@far.test>",)},
        "message_id": {"message_id": f"<{text}@far.test>"},
        "auto_submitted": {"auto_submitted": f"no{text}"},
        "attachments[0].filename": {"attachments": (a_file(text),)},
        "attachments[0].content_type": {"attachments": (a_file(content_type=f"text/csv{text}"),)},
        "attachments[0].content_id": {"attachments": (a_file(content_id=text),)},
    }
    return replace(PLAIN, **changes[place])


@pytest.mark.parametrize("text", HARMFUL)
@pytest.mark.parametrize(
    "place",
    [
        *("subject", "from", "to[1]", "cc[0]", "reply_to[0]", "headers.X-A", "in_reply_to", "references[0]"),
        *("message_id", "auto_submitted", "attachments[0].filename", "attachments[0].content_type"),
        "attachments[0].content_id",
    ],
)
def test_nothing_ends_a_line(place: str, text: str) -> None:
    with pytest.raises(InvalidComposition) as refused:
        compose(with_text(place, text))
    assert refused.value.path == place


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("from", {"sender": Person("nobody")}),
        ("to[0]", {"to": (Person("a@b@c.test"),)}),
        ("text", {"text": "\ud83d"}),
        ("html", {"html": "<p>\udc80"}),
        ("references[1]", {"references": ("<a@b.test>", "c@d.test")}),
        ("headers.List-Id", {"headers": (("List-Id", "grüße"),)}),
        ("headers.Auto-Submitted", {"headers": (("Auto-Submitted", "no"),), "auto_submitted": "no"}),
        ("attachments[0].filename", {"attachments": (a_file("../x"),)}),
        ("attachments[0].filename", {"attachments": (a_file("ü" * 128),)}),
        ("attachments[0].content_type", {"attachments": (a_file(content_type="multipart/mixed"),)}),
        ("attachments[0].content_type", {"attachments": (a_file(content_type='text/csv; name="x"'),)}),
        ("attachments[0].content_type", {"attachments": (a_file(content_type="csv"),)}),
    ],
)
def test_what_cannot_be_said_is_named(path: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidComposition) as refused:
        compose(replace(PLAIN, **changes))
    assert refused.value.path == path
    assert str(refused.value).startswith(path)


@settings(max_examples=300)
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=30), st.text(max_size=300))
def test_any_text_is_carried_whole_or_refused(subject: str, name: str, filename: str, text: str) -> None:
    composition = replace(
        PLAIN, subject=subject, to=(Person("bob@far.test", name),), text=text, attachments=(a_file(filename),)
    )
    try:
        header, body = compose(composition)
    except InvalidComposition:
        return
    names = [field.name_lower for field in Header.parse(header).fields]
    assert names == [
        *("from", "to", *(["subject"] if subject else []), "mime-version", "content-type"),
    ]
    assert (header + body).isascii()
    content = text_of(list(read(composition).walk())[1])
    assert content.rstrip("\n") == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
