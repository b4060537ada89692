"""A chain holds as a whole or not at all."""

import pytest

from inbound.authenticate.arc import verify_chain
from inbound.authenticate.dkim import key_names
from tests.inbound.authenticate.signing import BODY, HEADER, Key, keys_of, make_key, sealed


@pytest.fixture(scope="module")
def hops() -> list[Key]:
    return [make_key(f"hop{number}.test") for number in range(3)]


@pytest.fixture(scope="module")
def chain(hops: list[Key]) -> bytes:
    header = HEADER
    for key in hops:
        header = b"Received: from here\r\n" + sealed(key, header)
    return header


def test_a_message_without_a_chain_has_none() -> None:
    assert verify_chain(HEADER, BODY, {}).verdict == "none"


def test_a_chain_passes_and_names_its_sealers_oldest_first(hops: list[Key], chain: bytes) -> None:
    result = verify_chain(chain, BODY, keys_of(*hops))
    assert (result.verdict, result.reason) == ("pass", "")
    assert result.sealers == ("hop0.test", "hop1.test", "hop2.test")
    assert set(key_names(chain)) == set(keys_of(*hops))


def test_only_the_last_hop_answers_for_the_message(hops: list[Key]) -> None:
    """A list that changes the subject seals what it made of it."""
    changed = sealed(hops[0], HEADER).replace(b"Subject: ", b"Subject: [list] ")
    assert verify_chain(changed, BODY, keys_of(*hops)).verdict == "fail"
    assert verify_chain(sealed(hops[1], changed), BODY, keys_of(*hops)).verdict == "pass"


CHANGES = {
    "the subject": (b"Subject: hello", b"Subject: hallo"),
    "the first results": (b"i=1; hop0.test; spf=pass", b"i=1; hop0.test; spf=fail"),
    "the first seal": (b"ARC-Seal: i=1; a=rsa-sha256; d=hop0", b"ARC-Seal: i=1; a=rsa-sha256; d=hop1"),
    "the status of a seal": (b"cv=pass", b"cv=fail"),
    "the order": (b"Seal: i=2", b"Seal: i=3"),
    "a missing field": (b"ARC-Message-Signature: i=2", b"X-Message-Signature: i=2"),
    "no instance": (b"ARC-Authentication-Results: i=2;", b"ARC-Authentication-Results:"),
    "a huge instance": (b"Seal: i=3", b"Seal: i=999"),
    "instance zero": (b"Seal: i=1", b"Seal: i=0"),
    "a negative instance": (b"Seal: i=1", b"Seal: i=-1"),
    "odd digits": (b"Seal: i=1", "Seal: i=\u00b2".encode()),
    "fields in a seal": (b"cv=none", b"cv=none; h=from"),
    "another status": (b"cv=none", b"cv=perhaps"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_a_chain_that_was_touched_fails(hops: list[Key], chain: bytes, old: bytes, new: bytes) -> None:
    assert old in chain
    assert verify_chain(chain.replace(old, new, 1), BODY, keys_of(*hops)).verdict == "fail"


def test_a_changed_body_fails(hops: list[Key], chain: bytes) -> None:
    assert verify_chain(chain, BODY + b"more\r\n", keys_of(*hops)).verdict == "fail"


@pytest.mark.parametrize(("hop", "status"), [(0, "pass"), (1, "none"), (1, "fail")])
def test_a_seal_must_say_what_its_place_demands(hops: list[Key], hop: int, status: str) -> None:
    header = HEADER if hop == 0 else sealed(hops[0], HEADER)
    result = verify_chain(sealed(hops[hop], header, cv=status), BODY, keys_of(*hops))
    assert (result.verdict, result.reason) == ("fail", f"seal {hop + 1} says cv={status}")


def test_a_key_in_doubt_leaves_the_chain_in_doubt(hops: list[Key], chain: bytes) -> None:
    assert verify_chain(chain, BODY, keys_of(*hops) | {hops[0].name: None}).verdict == "temperror"
    assert verify_chain(chain, BODY, keys_of(*hops) | {hops[0].name: b""}).verdict == "fail"


def test_fifty_hops_are_followed_and_not_one_more(hops: list[Key]) -> None:
    header = HEADER
    for _ in range(50):
        header = sealed(hops[0], header)
    assert verify_chain(header, BODY, keys_of(hops[0])).verdict == "pass"
    assert verify_chain(sealed(hops[0], header), BODY, keys_of(hops[0])).verdict == "fail"


def test_the_chain_stands_below_fields_that_were_added_and_in_any_order(hops: list[Key]) -> None:
    header = sealed(hops[0], HEADER)
    seal, message, rest = header.split(b"ARC-")[1], header.split(b"ARC-")[2], header.split(b"ARC-")[3]
    turned = b"ARC-" + message + b"X-Any: x\r\nARC-" + rest.replace(b"From:", b"ARC-" + seal + b"From:")
    assert verify_chain(turned, BODY, keys_of(*hops)).verdict == "pass"


@pytest.mark.parametrize(
    "broken",
    [
        b"ARC-Seal:\r\n",
        b"ARC-Seal: i=1; a=\r\n",
        b"ARC-Seal: i=" + b"1" * 5000 + b"\r\n",
        b"ARC-Authentication-Results: " + b" " * 60_000 + b"i=1\r\n",
        b"ARC-Message-Signature: i=1; c=x/y/z\r\nARC-Seal: i=1\r\nARC-Authentication-Results: i=1;\r\n",
        b"ARC-Seal: i=1; a=rsa-sha256; b=A; cv=none; d=; s=\r\n"
        b"ARC-Message-Signature: i=1; a=rsa-sha256; b=A; bh=A; d=\xff; s=; h=\r\n"
        b"ARC-Authentication-Results: i=1;\r\n",
        b"ARC-Seal: i=1\n",
        b"no field\r\nARC-Seal: i=1\r\n",
    ],
)
def test_nothing_that_is_written_there_raises_or_passes(broken: bytes) -> None:
    assert verify_chain(broken, BODY, {}).verdict in ("fail", "none")
    assert verify_chain(broken + HEADER, BODY, {}).verdict in ("fail", "none")
    key_names(broken)
