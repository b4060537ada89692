"""No message stops the reading: what cannot be read is flagged, and nothing takes more than its share."""

import encodings.aliases

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbound.reading.bench import ReadingBench
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from inbound.reading.tasks import Parse
from inbound.reading.tree import MAX_DEPTH, MAX_PARTS
from tests.inbound.reading.mails import DSN, read, split

MIB = 1 << 20
MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n"
NESTED = b"Content-Type: message/rfc822\r\n"
HTML = b"Content-Type: text/html\r\n"
CHARSETS = sorted(
    {*encodings.aliases.aliases, *encodings.aliases.aliases.values(), "idna", "undefined", "no-such"}
)
ADDRESS_FIELDS = (
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Message-ID",
    "References",
    "Date",
    "Content-Type",
    "Subject",
)
SCRAPS = [
    *(
        '"',
        "a@[",
        "<",
        ">",
        "((((",
        "a@b",
        ":;",
        ",",
        "\\",
        "=?utf-8?q?=0d=0a?=",
        "=?x?b?!?=",
        "<a@b>",
        "\0",
        "\r",
        "\n ",
    ),
    *(
        "multipart/mixed; boundary=b",
        "text/html",
        "; a*0*=x''%",
        '; name="',
        "\n\n--b\n",
        "\n--b--\n",
        "é",
        "\ufeff",
    ),
    *(
        "Content-Type: ",
        "Content-Transfer-Encoding: base64",
        "message/delivery-status",
        "<script",
        "<!--",
        "&#",
        "\n",
    ),
]


@pytest.mark.parametrize(
    "header",
    [
        b'From: "',
        b"From: a@[",
        b"Message-ID: <",
        b"To: " + b"(" * 500,
        b" From: x",
        b":",
        b"",
        b"\0",
        b"\r",
        b"From",
    ],
)
def test_a_header_that_stops_others_is_read(header: bytes) -> None:
    assert parse(header + b"\r\n", b"text").text == "text"
    assert parse(header, b"").text == ""


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_character_set_that_python_knows_gives_clean_text(charset: str) -> None:
    octets = bytes(range(256)) + b"text " * 8
    parsed = parse(b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n", octets)
    parsed.text.encode("utf-8")
    assert parsed.text
    assert "\0" not in parsed.text


@pytest.mark.parametrize(
    "charset", ["rot13", "idna", "punycode", "unicode_escape", "hex", "zlib", "no-such", "é", "0"]
)
def test_what_is_no_character_set_is_said_and_read_as_utf_8(charset: str) -> None:
    parsed = read(f"Content-Type: text/plain; charset={charset}\n\ngrüße")
    assert (parsed.text, parsed.flags) == ("grüße", ("unknown_charset",))


def test_depth_has_an_end() -> None:
    levels = "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(3000))
    parsed = read(
        f"Subject: deep\nContent-Type: multipart/mixed; boundary=b0\n\n{levels}--b{MAX_DEPTH}\n\nx\n"
    )
    assert parsed.subject == "deep"
    assert "too_deep" in parsed.flags
    assert [each.content_type for each in parsed.attachments] == ["multipart/mixed"]


def test_parts_have_an_end() -> None:
    parsed = read(MIXED + b"\r\n" + b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" * 100_000)
    assert len(parsed.attachments) == MAX_PARTS - 1
    assert parsed.flags == ("too_many_parts",)


def test_a_part_s_header_has_an_end() -> None:
    parsed = read(MIXED + b"\r\n--b\r\nX: " + b"x" * 200_000 + b"\r\n\r\ntext\r\n--b--\r\n")
    assert "header_truncated" in parsed.flags


def test_what_a_long_header_must_say_is_kept() -> None:
    filler = "".join(f"X-{number}: value\n" for number in range(50_000))
    ids = " ".join(f"<{number}@x.test>" for number in range(20_000))
    parsed = read(f"{filler}References: {ids}\nSubject: here\nFrom: ann@far.example\n\ntext")
    assert parsed.subject == parsed.first("subject") == "here"
    assert parsed.sender[0].address == "ann@far.example"
    assert parsed.references[-1] == "<19999@x.test>"
    assert set(parsed.flags) == {"header_truncated", "too_many_references"}
    assert sum(len(value) for values in parsed.fields.values() for value in values) < 200_000


def test_text_has_an_end() -> None:
    parsed = parse(b"", b"a" * (5 * MIB))
    assert len(parsed.text) == 4 * MIB
    assert parsed.flags == ("text_truncated",)


BOMBS = {
    "empty lines": (b"A: b\r\n", b"\r\n" * (25 * MIB // 2)),
    "empty lines in a multipart": (MIXED, b"\r\n" * (25 * MIB // 2)),
    "hyphens": (MIXED, b"--b\n" + b"--c\n" * (25 * MIB // 4)),
    "parts": (MIXED, b"--b\r\n\r\nx\r\n" * 100_000),
    "parts without headers": (MIXED, b"--b\r\n" * 1_000_000),
    "one long field": (b"Subject: " + b"x" * MIB + b"\r\n", b""),
    "many folds": (b"Subject: " + b"x\r\n " * (MIB // 4) + b"\r\n", b""),
    "many fields": (b"".join(b"X-%d: v\r\n" % n for n in range(50_000)), b""),
    "many empty fields": (b"a:\r\n" * 250_000, b""),
    "encoded-words": (b"Subject: " + b"=?utf-8?q?a?= " * (MIB // 14) + b"\r\n", b""),
    "references": (b"References: " + b"<a@b> " * (MIB // 6) + b"\r\n", b""),
    "nested messages": (NESTED, (NESTED + b"\r\n") * 100_000),
    "base64": (b"Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n", b"QUJD" * (6 * MIB)),
    "quoted-printable": (b"Content-Transfer-Encoding: quoted-printable\r\n", b"=  " * (8 * MIB)),
    "lone surrogates": (b"Content-Type: text/plain; charset=utf-16\r\n", b"\xd8\xd8" * (12 * MIB)),
    **{
        f"parameters {scrap!r}": (b"Content-Type: text/plain" + scrap * (MIB // len(scrap)) + b"\r\n", b"")
        for scrap in (b";", b"; ", b"; a=", b'; a="', b";a*0=b", b'"', b"(", b"\\")
    },
    **{
        f"addresses {scrap!r}": (b"To: " + scrap * (MIB // len(scrap)) + b"\r\n", b"")
        for scrap in (b'"', b'"\\', b"(", b"<", b"<@", b",", b":", b" ", b"a@b <", b"@ ", b"\\")
    },
    **{
        f"html {scrap!r}": (HTML, scrap * (4 * MIB // len(scrap)) + b"'>")
        for scrap in (b"<", b"<a ", b'<a "', b"<!--", b"<script>", b"<p>", b"&#1", b"<pre>\n")
    },
}  # fmt: skip


async def test_no_bomb_takes_more_time_and_memory_than_a_child_has() -> None:
    bench = ReadingBench()
    failed = []
    try:
        for name, (header, body) in BOMBS.items():
            try:
                assert isinstance(await bench.ask(Parse(header, body, None)), Parsed)
            except Exception as failure:
                failed.append((name, repr(failure)))
    finally:
        await bench.close()
    assert not failed


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(ADDRESS_FIELDS), st.lists(st.sampled_from(SCRAPS)))),
    st.binary(max_size=300),
)
def test_scraps_of_mail_are_read(fields: list[tuple[str, list[str]]], body: bytes) -> None:
    header = "".join(f"{name}: {''.join(scraps)}\n" for name, scraps in fields)
    parsed = parse(header.encode(), body + "".join(SCRAPS).encode())
    parsed.text.encode("utf-8")


@settings(max_examples=150)
@given(st.data())
def test_a_message_with_damage_anywhere_is_read(data: st.DataObject) -> None:
    octets = bytearray(b"\r\n".join(DSN.encode().split(b"\n")))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=20))
    read(bytes(octets))


@settings(max_examples=100)
@given(st.binary(max_size=500), st.binary(max_size=500))
def test_any_octets_are_read(header: bytes, body: bytes) -> None:
    parse(header, body)
    parse(*split(header + body))
