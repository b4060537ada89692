"""A signature passes if all of it is true, and for every other one it is said what is wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from inbound.authenticate.dkim import key_names, undecided, verify_signatures
from inbound.authenticate.public_key import fetch_keys
from relay.message.headers import Header
from relay.resolver import Resolver
from relay.signing.keys import KeyRing
from relay.signing.signer import Signer
from tests.fakes.dns_server import FakeDns
from tests.inbound.authenticate.signing import (
    AT,
    BODY,
    HEADER,
    NOW,
    Key,
    keys_of,
    make_key,
    make_small_key,
    relaxed_body,
    signed,
    signed_by_dkimpy,
)

RFC8463_KEYS: dict[str, bytes | None] = {
    "brisbane._domainkey.football.example.com": (
        b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    ),
    "test._domainkey.football.example.com": (
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
        b"Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj"
        b"+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}
RFC8463_HEADER = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>
""".replace(b"\n", b"\r\n")
RFC8463_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"


@pytest.fixture(scope="module")
def key() -> Key:
    return make_key("a.test")


def verdict(header: bytes, keys: dict[str, bytes | None], body: bytes = BODY) -> tuple[str, str]:
    [result] = verify_signatures(header, body, keys, NOW)
    return result.verdict, result.reason


def test_the_example_of_rfc_8463_passes_and_names_its_signers() -> None:
    results = verify_signatures(RFC8463_HEADER, RFC8463_BODY, RFC8463_KEYS, NOW)
    assert [(one.verdict, one.algorithm, one.selector) for one in results] == [
        ("pass", "ed25519-sha256", "brisbane"),
        ("pass", "rsa-sha256", "test"),
    ]
    assert {(one.domain, one.identity) for one in results} == {
        ("football.example.com", "@football.example.com")
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"dinner", b"supper"),
        (b"joe@", b"jim@"),
        (b"From:", b"From: eve@e.test\r\nFrom:"),
        (b"2003", b"2004"),
    ],
)
def test_a_changed_header_fails(old: bytes, new: bytes) -> None:
    header = RFC8463_HEADER.replace(old, new, 1)
    assert header != RFC8463_HEADER
    results = verify_signatures(header, RFC8463_BODY, RFC8463_KEYS, NOW)
    assert [one.verdict for one in results] == ["fail", "fail"]


@pytest.mark.parametrize(
    "body", [RFC8463_BODY + b"more\r\n", RFC8463_BODY[:-6], RFC8463_BODY.replace(b"l", b"L"), b""]
)
def test_a_changed_body_fails(body: bytes) -> None:
    results = verify_signatures(RFC8463_HEADER, body, RFC8463_KEYS, NOW)
    assert [one.verdict for one in results] == ["fail", "fail"]


async def test_what_our_own_signer_signs_passes_and_its_over_signed_fields_hold(tmp_path: Path) -> None:
    at = datetime.fromtimestamp(AT, UTC)
    ring = KeyRing(tmp_path)
    keys: dict[str, bytes | None] = {
        one.dns_name: one.dns_record.encode() for one in ring.generate("a.test", at)
    }
    signer = Signer(ring)
    signatures = await signer.sign("a.test", Header.parse(HEADER), relaxed_body(BODY), at)
    signer.close()
    whole = signatures + HEADER
    assert [one.verdict for one in verify_signatures(whole, BODY, keys, NOW)] == ["pass", "pass"]
    for added in (b"Subject: new\r\n", b"Reply-To: e@e.test\r\n", b"Content-Type: text/html\r\n"):
        assert [one.verdict for one in verify_signatures(added + whole, BODY, keys, NOW)] == ["fail", "fail"]
    assert set(key_names(whole)) == set(keys)


@pytest.mark.parametrize("header_form", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body_form", [b"simple", b"relaxed"])
def test_both_canonical_forms_are_understood(key: Key, header_form: bytes, body_form: bytes) -> None:
    header = signed_by_dkimpy(key, (header_form, body_form))
    assert verdict(header, keys_of(key)) == ("pass", "")
    assert verdict(header, keys_of(key), BODY + b"\r\n\r\n") == ("pass", "")
    narrower = verdict(header, keys_of(key), BODY.replace(b"  ", b" "))[0]
    assert narrower == ("pass" if body_form == b"relaxed" else "fail")


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("canon", ["relaxed/relaxed", "relaxed/simple", "relaxed"])
def test_an_empty_body_has_its_hash(key: Key, canon: str, body: bytes) -> None:
    assert verdict(signed(key, body=b"", canon=canon), keys_of(key), body) == ("pass", "")


@pytest.mark.parametrize("length", [True, False])
def test_a_body_signed_in_part_is_no_proof(key: Key, length: bool) -> None:
    header = signed_by_dkimpy(key, (b"relaxed", b"relaxed"), length=length)
    expected = ("policy", "only a part of the body is signed") if length else ("pass", "")
    assert verdict(header, keys_of(key)) == expected
    assert verdict(header, keys_of(key), BODY + b"more\r\n")[0] == ("policy" if length else "fail")


def test_a_weak_key_is_no_proof() -> None:
    least, small = make_key("a.test", 1024), make_small_key("a.test")
    assert verdict(signed(least), keys_of(least)) == ("pass", "")
    assert verdict(signed(small), keys_of(small)) == ("policy", "a key of 512 bits is too weak")
    assert verdict(signed(small).replace(b"hello", b"hallo"), keys_of(small))[0] == "fail"


TAGS = {
    "expired": (f"t={AT - 900}; x={AT - 400}", "fail"),
    "expires later": (f"t={AT}; x={AT + 400}", "pass"),
    "clocks that differ": (f"t={AT + 200}; x={AT + 400}", "pass"),
    "signed in the future": (f"t={AT + 4000}", "neutral"),
    "a time that is no number": ("x=never", "neutral"),
    "a huge time": ("x=" + "9" * 5000, "neutral"),
    "the identity of a subdomain": ("i=x@mail.a.test", "pass"),
    "the identity of a stranger": ("i=x@b.test", "neutral"),
    "an identity that is the domain": ("i=a.test", "neutral"),
    "another way to ask": ("q=http", "neutral"),
    "a tag twice": ("d=a.test", "neutral"),
    "no tag at all": ("nonsense", "neutral"),
    "an unknown tag": ("z9=1", "pass"),
}


@pytest.mark.parametrize(("tag", "expected"), TAGS.values(), ids=TAGS)
def test_tags_are_taken_at_their_word(key: Key, tag: str, expected: str) -> None:
    assert verdict(signed(key, tag), keys_of(key))[0] == expected


def test_from_must_be_signed(key: Key) -> None:
    assert verdict(signed(key, names=["Subject"]), keys_of(key)) == ("permerror", "From is not signed")


def test_sha1_is_no_proof(key: Key) -> None:
    assert verdict(signed(key, algorithm="rsa-sha1"), keys_of(key))[0] == "policy"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda record: None, "temperror"),
        (lambda record: b"", "permerror"),
        (lambda record: b"v=DKIM1; p=", "permerror"),
        (lambda record: b"v=DKIM1", "permerror"),
        (lambda record: b"\xff\x00;;==", "permerror"),
        (lambda record: b"v=DKIM1; p=AAAA", "permerror"),
        (lambda record: b"v=DKIM1; p=!!!", "permerror"),
        (lambda record: b"v=DKIM1; p=A", "permerror"),
        (lambda record: record.replace(b"DKIM1", b"DKIM2"), "permerror"),
        (lambda record: record.replace(b"k=rsa", b"k=ed25519"), "permerror"),
        (lambda record: record.replace(b"k=rsa", b"k=dsa"), "permerror"),
        (lambda record: record + b"; h=sha1", "permerror"),
        (lambda record: record + b"; h=sha1:sha256", "pass"),
        (lambda record: record + b"; s=tlsrpt", "permerror"),
        (lambda record: record + b"; s=chat : email", "pass"),
        (lambda record: record + b"; t=y:s", "pass"),
        (lambda record: record.removeprefix(b"v=DKIM1; k=rsa; "), "pass"),
        (lambda record: record[:60] + b" " + record[60:] + b" ; ", "pass"),
    ],
)
def test_key_records_are_read_strictly(key: Key, change: object, expected: str) -> None:
    assert callable(change)
    assert verdict(signed(key), {key.name: change(key.record)})[0] == expected


def test_a_key_that_is_not_for_subdomains_signs_for_none(key: Key) -> None:
    keys: dict[str, bytes | None] = {key.name: key.record + b"; t=s"}
    assert verdict(signed(key, "i=@mail.a.test"), keys)[0] == "permerror"
    assert verdict(signed(key, "i=@a.test"), keys)[0] == "pass"


def test_a_name_that_was_not_asked_for_has_no_key(key: Key) -> None:
    assert verdict(signed(key), {}) == ("permerror", "there is no key")


def test_only_eight_signatures_are_looked_at(key: Key) -> None:
    header = signed(key)
    field = header[: -len(HEADER)]
    assert len(verify_signatures(field * 20 + HEADER, BODY, keys_of(key), NOW)) == 8
    many = b"".join(field.replace(b"d=a.test", b"d=%d.test" % number) for number in range(20))
    assert key_names(many + HEADER) == [f"s1._domainkey.{number}.test" for number in range(8)]


HOSTILE = {
    "starts with a space": b" \r\n" + HEADER,
    "mbox line": b"From ann@a.test Mon Mar  2 09:00:00 2026\r\n" + HEADER,
    "no header": b"",
    "bare line feeds": HEADER.replace(b"\r\n", b"\n"),
    "nul": b"Subject: \x00\r\n",
    "long label": b"DKIM-Signature: v=1; d=" + b"x" * 80 + b".test; s=" + b"y" * 80 + b"\r\n",
    "empty": b"DKIM-Signature:\r\n",
    "one tag": b"DKIM-Signature: b=\r\n",
    "no domain": b"DKIM-Signature: v=1; a=rsa-sha256; d=; s=; h=from; bh=AA==; b=AA==; i=\r\n",
    "huge": b"DKIM-Signature: v=1; " + b"x" * 90_000 + b"\r\n",
    "white space": b"DKIM-Signature: v=1; b=" + b"\r\n " * 2000 + b"!\r\n",
    "octets": b"DKIM-Signature: v=1; a=\xff; d=\xff\xfe.test; s=\xe4; h=from; bh=\xff; b=\xff\r\n",
    "many names": b"DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=s; bh=AAAA; b=AAAA; h=from"
    + b":a" * 3000
    + b"\r\n",
}


@pytest.mark.parametrize("broken", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_is_written_there_raises_or_passes(key: Key, broken: bytes) -> None:
    for header in (broken, broken + HEADER, broken + signed(key)):
        results = verify_signatures(header, BODY, {}, NOW)
        assert not any(one.verdict in ("pass", "temperror") for one in results)
        assert all(one.isascii() or one.isprintable() for one in key_names(header))
        assert len(undecided(header, "late")) == len(results)


def test_a_line_that_is_no_field_spoils_all_signatures(key: Key) -> None:
    header = signed(key).replace(b"To:", b"no field here\r\nTo:")
    assert verdict(header, keys_of(key)) == ("neutral", "the header is malformed")


async def test_keys_are_fetched_and_doubt_is_told_from_absence(dns: FakeDns) -> None:
    dns.txt("s1._domainkey.a.test", "unrelated", "v=DKIM1; p=AAAA")
    dns.fails("s1._domainkey.b.test")
    dns.exists("s1._domainkey.c.test")
    names = [
        f"s1._domainkey.{domain}" for domain in ("a.test", "b.test", "c.test", "d.test", "x" * 80 + ".test")
    ]
    found = await fetch_keys(Resolver([dns.nameserver]), names)
    assert list(map(found.get, names)) == [b"v=DKIM1; p=AAAA", None, b"", b"", b""]


async def test_a_key_that_does_not_come_in_time_is_in_doubt(dns: FakeDns) -> None:
    dns.txt("s1._domainkey.a.test", "v=DKIM1; p=AAAA")
    dns.waits("s1._domainkey.a.test")
    found = await fetch_keys(Resolver([dns.nameserver]), ["s1._domainkey.a.test"], within=0.05)
    assert found == {"s1._domainkey.a.test": None}
