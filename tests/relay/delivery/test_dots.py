"""What follows DATA: dots doubled over any chunking, and nothing that could end the message early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.delivery.dots import ContentDamaged, stuffed
from relay.delivery.parcel import Wire
from tests.relay.delivery.conftest import Body

HEADER = b"A: b\r\n"
LINES = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"text", b"a.b"]), max_size=12)


def on_the_wire(body: bytes, piece: int = 65536) -> bytes:
    return b"".join(stuffed(Wire(HEADER, Body(body, piece))))


@given(LINES, st.integers(1, 7), st.booleans())
def test_the_far_side_reads_exactly_what_was_there(lines: list[bytes], piece: int, ends: bool) -> None:
    body = b"\r\n".join(lines) + (b"\r\n" if ends else b"")
    sent = on_the_wire(body, piece)

    assert sent.endswith(b"\r\n.\r\n")
    assert sent.count(b"\r\n.\r\n") == 1
    received = b"".join(line.removeprefix(b".") for line in sent[:-3].splitlines(keepends=True))
    expected = HEADER + b"\r\n" + body
    assert received == (expected if expected.endswith(b"\r\n") else expected + b"\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"a\nb\r\n",
        b"a\rb\r\n",
        b"a\r\r\n",
        b"a\n\r\n",
        b"\n",
        b"a\r",
        b"\n.\r\n",
        b"a\r\n.\r",
        b"x\n.\nMAIL FROM:<>",
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 3, 65536])
def test_a_lone_cr_or_lf_never_leaves(body: bytes, piece: int) -> None:
    with pytest.raises(ContentDamaged):
        on_the_wire(body, piece)


def test_no_body_is_no_body() -> None:
    assert on_the_wire(b"") == b"A: b\r\n\r\n.\r\n"
