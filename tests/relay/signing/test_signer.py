"""Every signature we make is one that dkimpy accepts, and none survives what over-signing forbids."""

import asyncio
import re
from datetime import datetime, timedelta

import dkim
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.clock import SystemClock
from relay.message.canonical import RelaxedBodyHash
from relay.message.headers import Header
from relay.signing.keys import KeyRing, NoSigningKey
from relay.signing.signer import OVER_SIGNED, Signer

# The oracle compares t= and x= with the machine's clock.
_NOW = SystemClock().now()
_HEADER = (
    b"Received: from a.test\r\n\tby b.test; Mon, 2 Mar 2026 09:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\n"
    b"To: bob@b.test\r\nSubject: a\r\n  folded   subject\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"List-Unsubscribe: <https://example.com/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"In-Reply-To: <0@b.test>\r\n"
)
_BODY = b"Hello  \r\n\r\n.\r\n..dots\t \r\nend\r\n\r\n\r\n"


async def _sign(signer: Signer, header: bytes, body: bytes, at: datetime = _NOW) -> bytes:
    body_hash = RelaxedBodyHash()
    body_hash.update(body)
    return await signer.sign("example.com", Header.parse(header), body_hash.digest(), at)


def _verified(ring: KeyRing, message: bytes) -> list[bool]:
    records = {f"{key.dns_name}.".encode(): key.dns_record.encode() for key in ring.active("example.com")}
    count = len(re.findall(rb"(?mi)^dkim-signature:", message))
    verifier = dkim.DKIM(message)
    return [
        verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records[name]) for index in range(count)
    ]


async def test_both_signatures_are_good(signer: Signer, signing_ring: KeyRing) -> None:
    fields = await _sign(signer, _HEADER, _BODY)

    assert [re.findall(r" a=(\S+);", value) for value in Header.parse(fields).all("dkim-signature")] == [
        ["rsa-sha256"],
        ["ed25519-sha256"],
    ]
    assert _verified(signing_ring, fields + _HEADER + b"\r\n" + _BODY) == [True, True]


async def test_what_is_prepended_later_changes_nothing(signer: Signer, signing_ring: KeyRing) -> None:
    fields = await _sign(signer, _HEADER, _BODY)
    later = b"Received: from x\r\n\tby y\r\nX-Spam: no\r\nComments: none\r\nList-Id: <x.test>\r\n"

    assert _verified(signing_ring, fields + _HEADER + b"\r\n" + _BODY) == [True, True]
    assert _verified(signing_ring, later + fields + _HEADER + b"\r\n" + _BODY) == [True, True]


@pytest.mark.parametrize("name", OVER_SIGNED)
@pytest.mark.parametrize("place", ["above", "below"])
async def test_an_added_field_breaks_both(
    signer: Signer, signing_ring: KeyRing, name: str, place: str
) -> None:
    fields = await _sign(signer, _HEADER, _BODY)
    added = name.encode() + b": added\r\n"
    header = added + _HEADER if place == "above" else _HEADER + added

    assert _verified(signing_ring, fields + header + b"\r\n" + _BODY) == [False, False]


@pytest.mark.parametrize("name", ["from", "subject", "in-reply-to", "content-type", "message-id"])
async def test_a_removed_field_breaks_both(signer: Signer, signing_ring: KeyRing, name: str) -> None:
    fields = await _sign(signer, _HEADER, _BODY)
    header = bytes(Header.parse(_HEADER).without(name))
    if name == "from":  # the oracle wants one to look at all
        header += b"From: eve@example.com\r\n"

    assert _verified(signing_ring, fields + header + b"\r\n" + _BODY) == [False, False]


async def test_appended_text_breaks_both(signer: Signer, signing_ring: KeyRing) -> None:
    fields = await _sign(signer, _HEADER, _BODY)

    with pytest.raises(dkim.ValidationError, match="body hash mismatch"):
        _verified(signing_ring, fields + _HEADER + b"\r\n" + _BODY + b"more\r\n")


async def test_the_tags_are_those_promised(signer: Signer) -> None:
    fields = await _sign(signer, _HEADER, _BODY)

    for value in Header.parse(fields).all("dkim-signature"):
        tags = dict(re.findall(r"\s*([a-z]+)=([^;]*)(?:;|\Z)", re.sub(r"\s", "", value)))
        assert list(tags) == ["v", "a", "c", "d", "s", "t", "x", "h", "bh", "b"]
        assert "l" not in tags
        assert tags["c"] == "relaxed/relaxed"
        assert int(tags["t"]) == int(_NOW.timestamp())
        assert int(tags["x"]) - int(tags["t"]) == timedelta(days=14).total_seconds()
        names = tags["h"].lower().split(":")
        present = [field.name_lower for field in Header.parse(_HEADER).fields]
        assert all(names.count(name.lower()) == present.count(name.lower()) + 1 for name in OVER_SIGNED)
        assert names.count("in-reply-to") == 1
        assert not {"received", "return-path", "dkim-signature", "comments", "keywords"} & set(names)


async def test_lines_are_short_and_the_value_follows_its_tag_at_once(signer: Signer) -> None:
    fields = await _sign(signer, _HEADER, _BODY)

    assert max(map(len, fields.split(b"\r\n"))) <= 78
    assert len(re.findall(rb"\r\n\tb=[A-Za-z0-9+/]", fields)) == 2
    assert fields.endswith(b"=\r\n")


async def test_the_same_instant_gives_the_same_octets(signer: Signer, signing_ring: KeyRing) -> None:
    again = Signer(signing_ring)
    try:
        assert await _sign(signer, _HEADER, _BODY) == await _sign(again, _HEADER, _BODY)
    finally:
        again.close()
    assert await _sign(signer, _HEADER, _BODY) != await _sign(
        signer, _HEADER, _BODY, _NOW + timedelta(seconds=1)
    )


async def test_the_caller_names_the_active_keys(signer: Signer) -> None:
    header = Header.parse(_HEADER)
    fields = await signer.sign("example.com", header, b"\0" * 32, _NOW, selectors=["ph20260302e"])

    assert fields.count(b"DKIM-Signature:") == 1
    with pytest.raises(NoSigningKey):
        await signer.sign("example.com", header, b"\0" * 32, _NOW, selectors=["none"])
    with pytest.raises(NoSigningKey):
        await signer.sign("example.org", header, b"\0" * 32, _NOW)


async def test_many_wait_together_and_each_gets_its_own(signer: Signer, signing_ring: KeyRing) -> None:
    bodies = [f"message {number}\r\n".encode() for number in range(60)]

    signed = await asyncio.gather(*(_sign(signer, _HEADER, body) for body in bodies))
    for fields, body in zip(signed, bodies, strict=True):
        assert _verified(signing_ring, fields + _HEADER + b"\r\n" + body) == [True, True]


async def test_who_stops_waiting_disturbs_nobody(signer: Signer, signing_ring: KeyRing) -> None:
    tasks = [asyncio.create_task(_sign(signer, _HEADER, _BODY)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
    assert all(isinstance(result, bytes) for result in results[1::2])
    assert _verified(signing_ring, await _sign(signer, _HEADER, _BODY) + _HEADER + b"\r\n" + _BODY) == [
        True,
        True,
    ]


# dkimpy strips more than white space (form feeds …) and knows no white space before the colon.
_TEXT = st.binary(max_size=20).map(lambda text: re.sub(rb"[\x00\n\r\x0b\x0c]", b"", text))
_NAMES = st.sampled_from(
    [*(name.encode() for name in OVER_SIGNED), b"SENDER", b"X-Any", b"references", b"from"]
)
_FIELDS = st.tuples(
    _NAMES, st.lists(_TEXT, min_size=1, max_size=3), st.sampled_from([b"\r\n ", b"\r\n\t  ", b"  "])
)
_LINES = st.one_of(_TEXT, st.sampled_from([b"", b" ", b".", b"..", b"\t \t", b"a" * 2000, b"\xc3\xa4 \xff"]))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_FIELDS, max_size=12), st.lists(_LINES, max_size=10))
async def test_the_oracle_accepts_whatever_we_sign(
    signer: Signer, signing_ring: KeyRing, fields: list[tuple[bytes, list[bytes], bytes]], lines: list[bytes]
) -> None:
    header = b"From: ann@example.com\r\n" + b"".join(
        name + b":" + fold.join(b"x" + text for text in texts) + b"\r\n" for name, texts, fold in fields
    )
    body = b"".join(line + b"\r\n" for line in lines)
    signatures = await _sign(signer, header, body)

    assert _verified(signing_ring, signatures + header + b"\r\n" + body) == [True, True]
