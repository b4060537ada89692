"""A message streams in: whole again over any chunking, nothing bare, memory for a few chunks."""

import base64
import hashlib
import tracemalloc
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.message.canonical import RelaxedBodyHash
from relay.message.content import Content, ContentRefused, ContentWriter

MIB = 1024 * 1024


def write(
    octets: bytes,
    spool: Path,
    *,
    step: int | None = None,
    size_limit: int = 1000_000,
    memory_limit: int = 131072,
    header_limit: int = 262144,
    fix_bare_lf: bool = True,
) -> Content:
    writer = ContentWriter(
        spool,
        size_limit=size_limit,
        memory_limit=memory_limit,
        header_limit=header_limit,
        fix_bare_lf=fix_bare_lf,
    )
    step = step or max(1, len(octets))
    for at in range(0, len(octets), step):
        writer.feed(octets[at : at + step])
    return writer.finish()


@pytest.mark.parametrize(
    ("octets", "header", "body"),
    [
        (b"A: b\r\n\r\nhi\r\n", b"A: b\r\n", b"hi\r\n"),
        (b"A: b\r\nC: d\r\n e\r\n\r\n", b"A: b\r\nC: d\r\n e\r\n", b""),
        (b"A: b\r\n\r\n\r\n\r\n", b"A: b\r\n", b"\r\n\r\n"),
        # No empty line: all header, unless a line cannot be a field.
        (b"A: b\r\nC: d\r\n", b"A: b\r\nC: d\r\n", b""),
        (b"A: b\r\nhello there\r\n", b"A: b\r\n", b"hello there\r\n"),
        # An empty line, so what stands before it stays where it is.
        (b"A: b\r\nodd line\r\nC: d\r\n\r\nhi\r\n", b"A: b\r\nodd line\r\nC: d\r\n", b"hi\r\n"),
        # The first line is no field: no header at all.
        (b"hello\r\n", b"", b"hello\r\n"),
        (b"hello\r\n\r\nA: b\r\n", b"", b"hello\r\n\r\nA: b\r\n"),
        (b" A: b\r\n\r\nhi\r\n", b"", b" A: b\r\n\r\nhi\r\n"),
        (b"\r\nhi\r\n", b"", b"hi\r\n"),
        (b"\r\n", b"", b""),
        (b"", b"", b""),
        (b"a name: b\r\n\r\nhi\r\n", b"", b"a name: b\r\n\r\nhi\r\n"),
        (b"x" * 3000, b"", b"x" * 3000 + b"\r\n"),
        (b"A : b\r\n\r\nhi\r\n", b"A : b\r\n", b"hi\r\n"),
        (b"From ann Mon Mar  2\r\nA: b\r\n\r\nhi\r\n", b"From ann Mon Mar  2\r\nA: b\r\n", b"hi\r\n"),
        (b"A: b\r\n\r\nno end", b"A: b\r\n", b"no end\r\n"),
        (b"A: b", b"A: b\r\n", b""),
    ],
)
@pytest.mark.parametrize("step", [None, 1, 2, 3, 5])
def test_header_and_body_part_where_rfc_5322_says(
    octets: bytes, header: bytes, body: bytes, step: int | None, tmp_path: Path
) -> None:
    content = write(octets, tmp_path, step=step)
    assert (content.header, content.body.read()) == (header, body)
    assert content.size == len(header) + 2 + len(body)


lines = st.sampled_from(
    [b"A: b", b" folded", b"Subject: x", b"", b"text", b".", b"..", b"\xc3\xa9", b"x" * 100, b"From ann"]
)


@given(
    message=st.lists(lines, max_size=30).map(b"\r\n".join),
    cuts=st.lists(st.integers(1, 40), max_size=60),
    memory_limit=st.sampled_from([1, 64, 10_000]),
)
def test_chunks_make_no_difference(
    message: bytes, cuts: list[int], memory_limit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = tmp_path_factory.getbasetemp() / "chunked"
    writer = ContentWriter(spool, size_limit=10_000, memory_limit=memory_limit)
    rest = message
    for cut in chain(cuts, repeat(7)):
        if not rest:
            break
        writer.feed(rest[:cut])
        rest = rest[cut:]
    pieced, whole = writer.finish(), write(message, spool)
    try:
        assert pieced.body.read() == whole.body.read()
        assert (pieced.header, pieced.size, pieced.digest, pieced.body_hash) == (
            whole.header,
            whole.size,
            whole.digest,
            whole.body_hash,
        )
        assert (pieced.is_8bit, pieced.has_8bit_header) == (whole.is_8bit, whole.has_8bit_header)
        ended = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
        assert ended.endswith(whole.body.read())
        assert ended.startswith(whole.header)
    finally:
        writer.discard()


def test_hashes_are_those_of_the_body(tmp_path: Path) -> None:
    content = write(b"A: b\r\n\r\ntwo  words \r\n\r\n\r\n", tmp_path, step=3)
    assert content.digest == hashlib.sha256(b"two  words \r\n\r\n\r\n").digest()
    assert content.body_hash == hashlib.sha256(b"two words\r\n").digest()
    empty = write(b"A: b\r\n\r\n", tmp_path).body_hash
    assert base64.b64encode(empty) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert empty == RelaxedBodyHash().digest()


@pytest.mark.parametrize(
    ("octets", "is_8bit", "has_8bit_header"),
    [
        (b"A: b\r\n\r\nhi\r\n", False, False),
        (b"A: b\r\n\r\nh\xe9\r\n", True, False),
        (b"A: \xc3\xa9\r\n\r\nhi\r\n", True, True),
    ],
)
def test_octets_above_127_are_told(
    octets: bytes, is_8bit: bool, has_8bit_header: bool, tmp_path: Path
) -> None:
    content = write(octets, tmp_path)
    assert (content.is_8bit, content.has_8bit_header) == (is_8bit, has_8bit_header)


@pytest.mark.parametrize("step", [None, 1, 2])
def test_bare_line_feeds_are_read_as_line_ends_and_counted(step: int | None, tmp_path: Path) -> None:
    content = write(b"A: b\nC: d\r\n\nhi\n.\n\r\nx\n", tmp_path, step=step)
    assert content.header == b"A: b\r\nC: d\r\n"
    assert content.body.read() == b"hi\r\n.\r\n\r\nx\r\n"
    assert content.line_ends_fixed == 5


@pytest.mark.parametrize("step", [None, 1, 2])
@pytest.mark.parametrize(
    ("octets", "fixes", "reply"),
    [
        (b"A: b\r\n\r\nhi\n", False, "554 5.6.0"),
        (b"A: b\r\n\r\n\nhi\r\n", False, "554 5.6.0"),
        (b"A: b\r\n\r\nh\ri\r\n", True, "554 5.6.0"),
        (b"A: b\rC: d\r\n\r\nhi\r\n", True, "554 5.6.0"),
        (b"A: b\r\n\r\nhi\r\r\n", True, "554 5.6.0"),
        (b"A: b\r\n\r\nhi\r", True, "554 5.6.0"),
        (b"A: b\r\n\r\nh\0i\r\n", True, "554 5.6.0"),
        (b"A: b\r\n\r\n" + b"x" * 1000, True, "552 5.3.4"),
        (b"A: " + b"x" * 600 + b"\r\n\r\nhi\r\n", True, "552 5.3.4"),
        (b"A: " + b"x" * 700, True, "552 5.3.4"),
        (b"A: b\r\n" * 100, True, "552 5.3.4"),
    ],
)
def test_what_cannot_be_taken_is_refused(
    octets: bytes, fixes: bool, reply: str, step: int | None, tmp_path: Path
) -> None:
    with pytest.raises(ContentRefused) as refused:
        write(octets, tmp_path, step=step, size_limit=1000, header_limit=500, fix_bare_lf=fixes)
    assert str(refused.value.reply).startswith(reply)


def test_text_without_header_may_be_longer_than_a_header(tmp_path: Path) -> None:
    text = b"no field here " * 100
    assert write(text, tmp_path, header_limit=200, step=10).body.read() == text + b"\r\n"
    note = b"Note: this\r\n" + b"is text\r\n" * 100
    content = write(note, tmp_path, header_limit=200, step=10)
    assert (content.header, content.body.read()) == (b"Note: this\r\n", b"is text\r\n" * 100)


def test_a_large_body_goes_to_a_file_of_its_own(tmp_path: Path) -> None:
    spool = tmp_path / "incoming"
    writer = ContentWriter(spool, size_limit=MIB, memory_limit=1000)
    body = bytes(range(32, 127)) * 100 + b"\r\n"
    where = []
    for piece in (b"A: b\r\n\r\n" + body[:500], body[500:]):
        writer.feed(piece)
        where.append(writer.is_on_disk)
    assert where == [False, True]
    content = writer.finish()
    assert content.body.data is None
    assert content.body.file is not None
    assert content.body.file.parent == spool
    assert content.body.file.stat().st_mode & 0o777 == 0o600
    assert content.body.read() == body
    assert [len(chunk) for chunk in content.body.chunks(4000)] == [4000, 4000, 1502]
    assert content.digest == hashlib.sha256(body).digest()
    writer.discard()
    assert list(spool.iterdir()) == []


def test_what_was_taken_away_survives_discard(tmp_path: Path) -> None:
    writer = ContentWriter(tmp_path, size_limit=MIB, memory_limit=10)
    writer.feed(b"A: b\r\n\r\n" + b"x" * 100 + b"\r\n")
    content = writer.finish()
    assert content.body.file is not None
    kept = content.body.file.rename(tmp_path / "kept")
    writer.discard()
    assert kept.read_bytes() == b"x" * 100 + b"\r\n"


def test_discard_leaves_no_file_behind_half_way(tmp_path: Path) -> None:
    writer = ContentWriter(tmp_path, size_limit=MIB, memory_limit=10)
    writer.feed(b"A: b\r\n\r\n" + b"x" * 100)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_small_bodies_come_in_chunks_too(tmp_path: Path) -> None:
    body = write(b"A: b\r\n\r\n0123456789\r\n", tmp_path).body
    assert body.data == b"0123456789\r\n"
    assert list(body.chunks(5)) == [b"01234", b"56789", b"\r\n"]


@pytest.mark.parametrize(
    "chunk",
    [b"\r\n" * 32768, b"x" * 65536, b"\n" * 65536, b" \t" * 32768, b"A: b\r\n" * 10922],
    ids=["empty lines", "no line end", "bare LF", "white space", "fields"],
)
def test_memory_stays_small_whatever_the_lines(chunk: bytes, tmp_path: Path) -> None:
    writer = ContentWriter(tmp_path, size_limit=60 * MIB, memory_limit=131072)
    writer.feed(b"A: b\r\n\r\n")
    tracemalloc.start()
    try:
        for _ in range(25 * MIB // len(chunk)):
            writer.feed(chunk)
        writer.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        writer.discard()
    assert peak < 4 * MIB
    assert writer.in_memory < 200


def test_memory_stays_small_without_header_or_line_end(tmp_path: Path) -> None:
    writer = ContentWriter(tmp_path, size_limit=26 * MIB, memory_limit=131072)
    held = 0
    for _ in range(400):
        writer.feed(b"x" * 65536)
        held = max(held, writer.in_memory)
    writer.discard()
    assert held <= 131072
