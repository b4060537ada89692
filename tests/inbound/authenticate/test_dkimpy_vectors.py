"""dkimpy's own test messages and keys get the verdicts that dkimpy's tests ask for."""

import itertools
from pathlib import Path
from unittest.mock import patch

import dkim
import pytest

from inbound.authenticate.dkim import verify_signatures
from tests.inbound.authenticate.signing import AT, NOW

VECTORS = Path(__file__).parents[2] / "corpus" / "dkimpy"
CANONICALISATIONS = list(itertools.product((b"simple", b"relaxed"), repeat=2))
RFC8032_KEY = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
GMAIL_KEY = (
    b"k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh"
    b"+eBCsSTrqmwIYYvywlbhbqoo2DymndFkbjOVIPIldNs/m40KF+yzMn1skyoxcTUGCQ"
    b"s8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8svnxgdxGkVbb"
    b"hzY8i+RQ9DpSVpPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5Oct"
    b"MEeWUwg8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NOZK9vlfuac0598H"
    b"Y+vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD21MycBX5jYchHjPY/wIDAQAB"
)
DEFECTIVE_KEY = (
    b"k=rsa; p=MFwwDQYJKoZIhvNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52T"
    b"b/mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="
)


def read(name: str) -> bytes:
    """The file with line ends as on the wire."""
    return (VECTORS / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def record(name: str) -> bytes:
    return (VECTORS / name).read_bytes().strip()


def verdicts(message: bytes, name: str, key: bytes) -> list[str]:
    header, _, body = message.partition(b"\r\n\r\n")
    results = verify_signatures(header + b"\r\n", body, {name: key}, NOW)
    return [one.verdict for one in results if f"{one.selector}._domainkey.{one.domain}" == name]


def signed(
    message: bytes,
    selector: str,
    domain: str,
    private: str,
    canon: tuple[bytes, bytes],
    algorithm: str = "rsa-sha256",
) -> bytes:
    """The message with a signature of dkimpy's on top, made at the tests' time."""
    with patch("dkim.time") as clock:
        clock.time.return_value = AT
        field: bytes = dkim.sign(
            message,
            selector.encode(),
            domain.encode(),
            (VECTORS / private).read_bytes(),
            canonicalize=canon,
            signature_algorithm=algorithm.encode(),
        )
    return field + message


def signed_by_example(message: bytes, canon: tuple[bytes, bytes] = (b"relaxed", b"simple")) -> bytes:
    return signed(message, "test", "example.com", "test.private", canon)


@pytest.mark.parametrize(
    ("message", "name", "key"),
    [
        ("rfc6376.signed.msg", "brisbane._domainkey.football.example.com", RFC8032_KEY),
        ("ed25519test2.msg", "sed._domainkey.test.ex", record("eximtest.dns")),
        ("test2.message", "20120113._domainkey.gmail.com", GMAIL_KEY),
    ],
)
def test_signatures_of_other_signers_pass(message: str, name: str, key: bytes) -> None:
    assert verdicts(read(message), name, key) == ["pass"]


@pytest.mark.parametrize("canon", CANONICALISATIONS)
@pytest.mark.parametrize(
    ("private", "published"),
    [
        ("1024_testkey.key", "1024_testkey_wo_markers.pub.txt"),
        ("1024_testkey.key", "1024_testkey_wo_markers.pub.rsa.txt"),
        ("2048_testkey.key", "2048_testkey_wo_markers.pub.txt"),
        ("2048_testkey.key", "2048_testkey_wo_markers.pub.rsa.txt"),
        ("2048_testkey_PKCS8.key", "2048_testkey_PKCS8.key.pub.txt"),
        ("test.private", "test.txt"),
        ("test.private", "test2.txt"),
    ],
)
def test_every_published_form_of_an_rsa_key_verifies(
    private: str, published: str, canon: tuple[bytes, bytes]
) -> None:
    message = signed(read("test.message"), "test", "example.com", private, canon)
    assert verdicts(message, "test._domainkey.example.com", record(published)) == ["pass"]


@pytest.mark.parametrize("canon", CANONICALISATIONS)
@pytest.mark.parametrize(
    ("message", "private", "key"),
    [
        ("ed25519test.msg", "ed25519test.key", b"k=ed25519; p=yi50DjK5O9pqbFpNHklsv9lqaS0ArSYu02qp1S0DW1Y="),
        ("rfc6376.msg", "rfc8032_7_1.key", RFC8032_KEY),
    ],
)
def test_ed25519_verifies(message: str, private: str, key: bytes, canon: tuple[bytes, bytes]) -> None:
    whole = signed(read(message), "test", "example.net", private, canon, "ed25519-sha256")
    assert verdicts(whole, "test._domainkey.example.net", key) == ["pass"]


@pytest.mark.parametrize("canon", CANONICALISATIONS)
@pytest.mark.parametrize(
    ("published", "verdict"),
    [
        ("badversion.txt", "permerror"),
        ("badk.txt", "permerror"),
        ("test_bad.txt", "permerror"),
        ("test_tlsrpt.txt", "permerror"),
    ],
)
def test_a_bad_published_key_is_no_key(published: str, verdict: str, canon: tuple[bytes, bytes]) -> None:
    message = signed_by_example(read("test.message"), canon)
    assert verdicts(message, "test._domainkey.example.com", record(published)) == [verdict]


@pytest.mark.parametrize(
    ("message", "name", "key", "verdict"),
    [
        ("rfc6376.signed.rsa.msg", "test._domainkey.football.example.com", DEFECTIVE_KEY, "permerror"),
        ("rfc6376.signed.no_t.msg", "test._domainkey.football.example.com", record("test.txt"), "fail"),
    ],
)
def test_what_dkimpy_refuses_is_refused(message: str, name: str, key: bytes, verdict: str) -> None:
    assert verdicts(read(message), name, key) == [verdict]


def test_a_domain_that_is_none_is_not_looked_up() -> None:
    header, _, body = read("test.message.baddomain").partition(b"\r\n\r\n")
    key = {"test._domainkey.legitimate.com(.attacker.com": record("test.txt")}
    [result] = verify_signatures(header + b"\r\n", body, key, NOW)
    assert result.verdict == "neutral"


@pytest.mark.parametrize("canon", CANONICALISATIONS)
def test_repeated_and_further_fields_of_a_real_message_verify(canon: tuple[bytes, bytes]) -> None:
    message = read("message.mbox")
    signer = dkim.DKIM(message)
    signer.should_not_sign.remove(b"received")
    with patch("dkim.time") as clock:
        clock.time.return_value = AT
        field = signer.sign(
            b"test",
            b"example.com",
            (VECTORS / "test.private").read_bytes(),
            include_headers=signer.all_sign_headers(),
            canonicalize=canon,
        )
    assert signer.include_headers.count(b"received") > 1
    assert verdicts(field + message, "test._domainkey.example.com", record("test.txt")) == ["pass"]


@pytest.mark.parametrize("canon", CANONICALISATIONS)
def test_octets_of_an_old_charset_verify(canon: tuple[bytes, bytes]) -> None:
    message = signed_by_example(read("rfc6376.w1258.msg"), canon)
    assert verdicts(message, "test._domainkey.example.com", record("test.txt")) == ["pass"]


def test_a_second_from_and_a_longer_body_fail() -> None:
    message = read("test.message")
    header, _, body = signed_by_example(message).partition(b"\r\n\r\n")
    name, key = "test._domainkey.example.com", record("test.txt")
    assert verdicts(header + b"\r\nX-Foo: bar\r\n\r\n" + body, name, key) == ["pass"]
    forged = b'From: "Resident Evil" <sales@spammer.test>'
    assert verdicts(header + b"\r\n" + forged + b"\r\n\r\n" + body, name, key) == ["fail"]
    assert verdicts(forged + b"\r\n" + header + b"\r\n\r\n" + body, name, key) == ["fail"]
    assert verdicts(header + b"\r\n\r\n" + body + b"foo", name, key) == ["fail"]
