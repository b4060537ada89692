"""Message-IDs, dates and Thread-Index as mail has them."""

from datetime import UTC, datetime

import pytest

from inbound.reading.marks import read_date, read_message_id, read_message_ids, read_thread_index
from relay.clock import to_us


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("Mon, 02 Mar 2026 09:00:00 +0000", (2026, 3, 2, 9, 0, 0)),
        ("2 Mar 2026 09:00 -0530", (2026, 3, 2, 14, 30, 0)),
        ("Mon, 2 Mar 26 09:00:00 EST (a comment)", (2026, 3, 2, 14, 0, 0)),
        ("2 Mar 99 09:00:00 GMT", (1999, 3, 2, 9, 0, 0)),
        ("2 Mar 126 09:00:00 Z", (2026, 3, 2, 9, 0, 0)),
        ("Mon, 2 Mar 2026 23:59:60 +0000", (2026, 3, 2, 23, 59, 59)),
        ("Mon, 2 March 2026 9.00.00 +01:00", (2026, 3, 2, 8, 0, 0)),
        ("Mon,2-Mar-2026 09:00:00 XYZ", (2026, 3, 2, 9, 0, 0)),
        ("2 Mar 2026 09:00:00 +9999", (2026, 3, 2, 9, 0, 0)),
    ],
)
def test_a_date_is_read(value: str, instant: tuple[int, int, int, int, int, int]) -> None:
    assert read_date(value) == to_us(datetime(*instant, tzinfo=UTC))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "31 Feb 2026 09:00",
        "1 Mar 0000 09:00",
        "2 Mrz 2026 09:00",
        "2 Mar 2026",
        "1 Jan 0001 00:00 +2300",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert read_date(value) is None


@pytest.mark.parametrize(
    ("value", "message_id"),
    [
        ("<a@b>", "<a@b>"),
        (" <a@b> (x) <c@d>", "<a@b>"),
        ("a@b.test", "<a@b.test>"),
        ("<<a@b>>", "<a@b>"),
        ("<", ""),
        ("<>", ""),
        ("not one", ""),
        ("<a\x00b@c>", ""),
    ],
)
def test_a_message_id_is_read(value: str, message_id: str) -> None:
    assert read_message_id(value) == message_id


def test_the_last_hundred_references_are_kept() -> None:
    ids = [f"<{number}@x.test>" for number in range(20_500)]
    assert read_message_ids(" ".join(ids)) == (tuple(ids[-100:]), False)
    assert read_message_ids("".join(ids[:100])) == (tuple(ids[:100]), True)


@pytest.mark.parametrize("value", ["", "not base64!", "AQ==", "A" * 3000])
def test_what_cannot_be_a_thread_index_is_none(value: str) -> None:
    assert read_thread_index(value) is None
