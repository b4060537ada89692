"""Of a message that cannot be read its header still says something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound.reading.fallback import header_only
from relay.message.person import Person


def test_the_header_s_clear_fields_are_read() -> None:
    parsed = header_only(
        b'From: "Ann" <ann@far.example>\r\nTo: a@[\r\nSubject: =?utf-8?q?=C3=BC?=\r\nMessage-ID: <a@b>\r\n'
    )
    assert parsed.sender == (Person("ann@far.example"),)
    assert parsed.to == ()
    assert (parsed.subject, parsed.message_id, parsed.flags) == ("ü", "<a@b>", ("unreadable",))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b'From: "\r\n',
        b"no end",
        b"\0",
        b"To: " + b"(" * 500 + b"\r\n",
        b"Message-ID: <\r\n",
        b"\xff: \r\n",
    ],
)
def test_an_unclear_header_is_flagged(header: bytes) -> None:
    assert header_only(header).flags == ("unreadable",)


@given(st.binary(max_size=200))
def test_it_never_raises(value: bytes) -> None:
    header_only(b"From: " + value + b"\r\nMessage-ID: " + value + b"\r\n")
