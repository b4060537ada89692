"""A header block comes back octet for octet, and a field that we fold comes back whole."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.errors import InvalidInput
from relay.message.headers import Header, MalformedHeader, fold, format_date, new_message_id
from tests.fakes.clock import FakeClock

_BLOCK = (
    b"Received: from a.test\r\n\tby b.test;\r\n Mon, 2 Mar 2026 09:00:00 +0000\r\n"
    b"From: Ann <ann@a.test>\r\nSUBJECT : one\r\n  two\r\n"
    b"X-Tag: a\r\nx-tag:b\r\nTo: J\xc3\xb6rg \xff <j@b.test>\r\n"
)
_LINE = st.one_of(
    st.sampled_from(
        [b"From: a@b.test", b" fold", b"\tfold", b"From ann Mon", b"X :y", b":", b" ", b"", b"\0", b"\n"]
    ),
    st.binary(max_size=12),
)


def test_values_are_unfolded_and_found_in_any_case() -> None:
    header = Header.parse(_BLOCK)

    assert header.all("x-TAG") == ["a", "b"]
    assert header.first("Subject") == "one  two"
    assert header.first("received") == "from a.test\tby b.test; Mon, 2 Mar 2026 09:00:00 +0000"
    assert header.first("to") == "Jörg \udcff <j@b.test>"
    assert header.first("cc") is None
    assert header.all("cc") == []


def test_changes_leave_every_other_octet_alone() -> None:
    header = Header.parse(_BLOCK)
    changed = header.without("x-tag", "Bcc").prepended(b"A: 1\r\n", b"B: 2\r\n\t3\r\n")

    assert bytes(changed) == b"A: 1\r\nB: 2\r\n\t3\r\n" + _BLOCK.replace(b"X-Tag: a\r\nx-tag:b\r\n", b"")
    assert bytes(header) == _BLOCK


@settings(max_examples=500)
@given(st.lists(_LINE, max_size=12), st.booleans())
def test_a_block_that_parses_comes_back_octet_for_octet(lines: list[bytes], ends: bool) -> None:
    block = b"\r\n".join(lines) + (b"\r\n" if ends else b"")
    try:
        header = Header.parse(block)
    except MalformedHeader:
        bare = block.replace(b"\r\n", b"")
        assert b"\0" in bare or b"\r" in bare or b"\n" in bare or b"\r\n\r\n" in b"\r\n" + block or not ends
    else:
        assert bytes(header) == block


@pytest.mark.parametrize(
    "block",
    [
        b"\r\n",
        b"A: b",
        b"A: b\r\n\r\n",
        b"A: b\r\n\r\nC: d\r\n",
        b"A: b\nC: d\r\n",
        b"A: \0\r\n",
        b"A: b\rC\r\n",
    ],
)
def test_what_is_no_block_is_refused(block: bytes) -> None:
    with pytest.raises(MalformedHeader):
        Header.parse(block)


def test_lines_that_are_no_field_keep_their_place_and_have_no_name() -> None:
    block = (
        b"From ann@a.test Mon Mar  2\r\nFrom: ann@a.test\r\n"
        b"no field\r\n with more\r\nN\xe4me: x\r\nTo: b@b.test\r\n"
    )
    header = Header.parse(block)

    assert header.unparsed == [
        b"From ann@a.test Mon Mar  2\r\n",
        b"no field\r\n with more\r\n",
        b"N\xe4me: x\r\n",
    ]
    assert header.all("from") == ["ann@a.test"]
    assert header.all("to") == ["b@b.test"]
    assert bytes(header) == block


def test_only_fields_can_be_put_before_a_header() -> None:
    for raw in (b"no field\r\n", b"A: b", b" folded\r\n", b"A: b\r\n\r\n"):
        with pytest.raises(MalformedHeader):
            Header.parse(_BLOCK).prepended(raw)


@pytest.mark.parametrize(
    "crasher", [b'From: "\r\n', b"From: a@[\r\n", b"Message-ID: <\r\n", b"To: " + b"(" * 500 + b"\r\n"]
)
def test_what_crashes_the_stdlib_is_only_octets_here(crasher: bytes) -> None:
    header = Header.parse(crasher)

    assert bytes(header) == crasher
    assert [field.value for field in header.fields] == [crasher.partition(b":")[2].strip().decode()]


# Folding.

_WORDS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters=" "),
    min_size=1,
    max_size=90,
)
_SPACES = st.text(" \t", min_size=1, max_size=3)


@settings(max_examples=300)
@given(
    st.from_regex(r"[!-9;-~]{1,76}", fullmatch=True),
    _WORDS,
    st.lists(st.tuples(_SPACES, _WORDS), max_size=15),
)
def test_a_folded_value_comes_back_whole(name: str, word: str, more: list[tuple[str, str]]) -> None:
    value = word + "".join(space + text for space, text in more)
    raw = fold(name, value)

    assert Header.parse(raw).first(name) == value
    assert len(Header.parse(raw).fields) == 1
    for line in raw.decode().split("\r\n"):
        assert len(line) <= 78 or " " not in line.replace("\t", " ").lstrip(" ").removeprefix(f"{name}: ")


def test_long_references_and_urls_stay_whole() -> None:
    references = " ".join(f"<{number:030}@mail.example.com>" for number in range(40))
    url = "<https://example.com/" + "u" * 400 + ">"

    folded = fold("References", references)
    assert max(len(line) for line in folded.split(b"\r\n")) <= 78
    assert b"=?" not in folded
    assert folded.count(b"@mail.example.com>") == 40
    assert url.encode() in fold("List-Unsubscribe", f"<mailto:u@example.com>, {url}")
    assert fold("List-Unsubscribe", url) == b"List-Unsubscribe: " + url.encode() + b"\r\n"


def test_a_first_word_that_fits_alone_gets_a_line_of_its_own() -> None:
    assert fold("X-Long-Name", "w" * 70) == b"X-Long-Name:\r\n " + b"w" * 70 + b"\r\n"
    assert fold("Subject", "") == b"Subject:\r\n"


@pytest.mark.parametrize(
    "text",
    ["a\r\nBcc: x@y.test", "a\n b", "a\rb", "a\0b", "a\x85b", "a\u2028b", "a\u2029b", "a\x1bb", "a\udcffb"],
)
def test_control_characters_cannot_be_folded(text: str) -> None:
    with pytest.raises(InvalidInput):
        fold("Subject", text)


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\nB", "Ä", "A" * 77, "A\n", " A"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        fold(name, "x")


def test_a_line_that_no_server_takes_is_refused() -> None:
    assert len(fold("X", "a" * 995)) == 1000
    for value in ("a" * 996, "ok " + "ä" * 500):
        with pytest.raises(InvalidInput, match="998"):
            fold("X", value)


# Dates and ids.


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2199, 1, 1)),  # noqa: DTZ001 - the zone is drawn apart
    st.integers(-14 * 60, 14 * 60),
)
def test_a_date_reads_back(instant: datetime, minutes: int) -> None:
    aware = instant.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))

    assert parsedate_to_datetime(format_date(aware)) == aware


def test_the_form_of_a_date() -> None:
    assert format_date(datetime(2026, 3, 2, 9, tzinfo=UTC)) == "Mon, 02 Mar 2026 09:00:00 +0000"
    west = timezone(-timedelta(hours=3, minutes=30))
    assert format_date(datetime(2026, 12, 31, 23, 59, 59, tzinfo=west)) == "Thu, 31 Dec 2026 23:59:59 -0330"
    with pytest.raises(ValueError, match="zone"):
        format_date(datetime(2026, 3, 2))  # noqa: DTZ001 - refused


def test_message_ids_differ_and_stand_in_brackets() -> None:
    clock = FakeClock()
    first, second = new_message_id("example.com", clock), new_message_id("example.com", clock)

    assert first != second
    assert first.startswith("<")
    assert first.endswith("@example.com>")
    assert fold("Message-ID", first) == b"Message-ID: " + first.encode() + b"\r\n"
