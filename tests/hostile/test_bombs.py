"""What is small to write and dear to read takes the reading child no more than its share.

Here the bombs are small, and what is counted are steps, or a limit of
processor time that is many times what they take; `python -m bench.hostile
bombs` measures them at 25 MiB in the daemon and its children.
"""

import base64
import html
import quopri
import sys
from collections.abc import Callable, Iterator
from html.entities import html5
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbound.reading import budget, transfer
from inbound.reading.bench import ReadingBench
from inbound.reading.html_tree import Element, parse, serialise, walk
from inbound.reading.parse import parse as read
from inbound.reading.parsed import Parsed, Separated
from inbound.reading.quoting import separate
from inbound.reading.tasks import Parse, Separate
from inbound.reading.texts import MAX_TEXT
from relay.message import html_tokens
from relay.message.html_tokens import unescape
from tests.hostile.bombs import BOMBS
from tests.hostile.repeated import KIB

SHARE = 200  # of the budget, so that small bombs use it up
MOST_STEPS = 50_000


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in vars(budget):
        if name.startswith("MAX_"):
            monkeypatch.setattr(budget, name, getattr(budget, name) // SHARE)
    monkeypatch.setattr(html_tokens, "MAX_ATTRIBUTES", html_tokens.MAX_ATTRIBUTES // SHARE)


async def test_no_bomb_breaks_the_child_that_reads_it() -> None:
    bench = ReadingBench()
    failed = []
    try:
        for name, make in BOMBS.items():
            try:
                parsed = await bench.ask(Parse(*make(16 * KIB), None))
                assert isinstance(parsed, Parsed)
                # The sender of an answer can be the sender of what is answered.
                again = Separate(parsed.text, parsed.html, parsed.text, parsed.html)
                assert isinstance(await bench.ask(again), Separated)
            except Exception as failure:
                failed.append((name, repr(failure)))
    finally:
        await bench.close()
    assert not failed


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("name", BOMBS)
def test_what_is_new_is_found_in_so_many_steps_whatever_the_message(name: str) -> None:
    """Without the budget it is a hundred thousand and more for what is made of tags and short lines."""
    parsed = read(*BOMBS[name](64 * KIB))
    assert steps(lambda: separate(parsed.text, parsed.html, parsed.text, parsed.html)) < MOST_STEPS


def steps(work: Callable[[], Any]) -> int:
    """How many functions were called for it, C's and ours."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def elements(root: Element) -> Iterator[Element]:
    return (step[1] for step in walk(root) if step[0] == "open")


@pytest.mark.usefixtures("small_budget")
@pytest.mark.parametrize("name", ["paragraphs", "entities", "attributes", "tags open", "cite quotes"])
def test_html_beyond_the_budget_is_kept_and_not_read(name: str) -> None:
    html = read(*BOMBS[name](64 * KIB)).html or ""
    root = parse(html)
    assert serialise(root) == html
    assert len(list(elements(root))) <= budget.MAX_TAGS + 1


def test_text_beyond_the_budget_counts_as_new() -> None:
    lines = [f"line {number}" for number in range(budget.MAX_LINES + 10)]
    separated = separate("\n".join(lines), None)
    assert separated.extracted_text.split("\n") == lines


def test_text_beyond_the_budget_is_old_where_all_before_it_is() -> None:
    old = "\n".join(f"line {number}" for number in range(budget.MAX_LINES + 10))
    text = f"Yes.\n\nOn Mon, 1 Jan 2024 at 10:10, Ann <ann@far.example> wrote:\n\n{old}"
    assert separate(text, None).extracted_text == "Yes."


def test_what_was_not_looked_at_is_said() -> None:
    for name in ("empty lines", "paragraphs", "entities begun"):
        assert "too_long_to_separate" in read(*BOMBS[name](1024 * KIB)).flags
    assert "too_long_to_separate" not in read(*BOMBS["paragraphs"](32 * KIB)).flags


def test_text_is_kept_up_to_so_many_octets_whatever_its_characters() -> None:
    """Four octets each in every process that holds them: tags of plane 14 took the daemon 225 MB."""
    for character in ("\u00fc", "漢", "\U0001f600"):
        parsed = read(b"Content-Type: text/plain; charset=utf-8\r\n", character.encode() * MAX_TEXT)
        assert MAX_TEXT - 4 < len(parsed.text.encode()) <= MAX_TEXT
        assert parsed.flags == ("text_truncated",)


@given(st.binary(max_size=60), st.integers(1, 9))
def test_base64_in_pieces_is_what_it_is_whole(octets: bytes, width: int) -> None:
    for text in (octets, base64.b64encode(octets), base64.b64encode(octets) * 2, octets + b"QQ=="):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transfer, "_PIECE", 1 << 20)
            whole = transfer.undo(text, "base64")
            patch.setattr(transfer, "_PIECE", width)
            assert transfer.undo(text, "base64") == whole
    assert transfer.undo(base64.b64encode(octets), "base64") == (octets, True)


@given(st.binary(max_size=60), st.integers(3, 20))
def test_quoted_printable_in_pieces_is_what_it_is_whole(octets: bytes, width: int) -> None:
    """Also without any line end, wherever a piece ends."""
    one_line = b"".join(b"=%02X" % octet if octet in b"=\r\n" else bytes((octet,)) for octet in octets)
    for text in (one_line, quopri.encodestring(octets)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transfer, "_PIECE", 1 << 20)
            whole = transfer.undo(text, "quoted-printable")
            patch.setattr(transfer, "_PIECE", width)
            assert transfer.undo(text, "quoted-printable") == whole
            assert transfer.size_of(memoryview(text), "quoted-printable") == len(whole[0])


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_of_a_long_part_no_more_is_undone_than_is_needed(encoding: str) -> None:
    octets = b"QUJD" * (1 << 20)
    whole, _ = transfer.undo(octets, encoding)
    some, _ = transfer.undo(octets, encoding, 1000)
    assert whole.startswith(some)
    assert 1000 <= len(some) <= 1000 + (1 << 20)


@given(
    st.lists(
        st.sampled_from(["&amp", "&notit;", "&not", ";", "&frac12", "&", "&#65;", "&#x41", "a", "&aa;", " "])
    )
    | st.lists(st.sampled_from([f"&{name}" for name in html5])),
)
def test_references_mean_what_the_standard_library_makes_of_them(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert unescape(text) == html.unescape(text)


def test_utf_16_without_its_mark_is_big_endian() -> None:
    header = b"Content-Type: text/plain; charset=utf-16\r\n"
    assert read(header, "grüße".encode("utf-16-be")).text == "grüße"
    assert read(header, "grüße".encode("utf-16")).text == "grüße"
