"""Signed and sealed mail for tests: DKIM by hand or by dkimpy, ARC sets by the letter of RFC 8617."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch

import dkim
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
    generate_private_key,
    rsa_crt_dmp1,
    rsa_crt_dmq1,
    rsa_crt_iqmp,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from relay.message.canonical import RelaxedBodyHash, relaxed_header
from relay.message.headers import Header

AT = 1_772_442_000  # the tests' Monday, 2026-03-02 09:00 UTC
NOW = AT * 1_000_000
HEADER = b"From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: hello\r\nMessage-ID: <1@a.test>\r\n"
BODY = b"Hi.\r\n\r\n  We lost  the game.\r\n\r\n\r\n"


@dataclass(frozen=True)
class Key:
    """An RSA key of `selector` at `domain`."""

    domain: str
    private: RSAPrivateKey
    selector: str = "s1"

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> bytes:
        der = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign(self, octets: bytes) -> bytes:
        return base64.b64encode(self.private.sign(octets, PKCS1v15(), SHA256()))


def make_key(domain: str, bits: int = 2048) -> Key:
    return Key(domain, generate_private_key(65537, bits))


def make_small_key(domain: str) -> Key:
    """One of 512 bits, which nobody makes any more."""
    p = 0xF774EB5248DB40AF72158370D269A9A5AE658F33FE3B890B93F448B3A5AA3C81
    q = 0xCF28F65E408FC146794EC926BC9E28EABEE8062610E8AD0186A74A63A8C7D9E1
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = RSAPublicNumbers(65537, p * q)
    crt = rsa_crt_dmp1(d, p), rsa_crt_dmq1(d, q), rsa_crt_iqmp(p, q)
    return Key(domain, RSAPrivateNumbers(p, q, d, *crt, public).private_key())


def keys_of(*keys: Key) -> dict[str, bytes | None]:
    return {key.name: key.record for key in keys}


def signed(
    key: Key,
    *extra: str,
    header: bytes = HEADER,
    body: bytes = BODY,
    canon: str = "relaxed/relaxed",
    names: Sequence[str] = ("From", "Subject"),
    algorithm: str = "rsa-sha256",
) -> bytes:
    """The header with a DKIM-Signature on top that has these extra tags. Only relaxed fields are made."""
    digest = relaxed_body(body) if canon.endswith("/relaxed") else simple_body(body)
    tags = [
        "v=1",
        f"a={algorithm}",
        f"c={canon}",
        f"d={key.domain}",
        f"s={key.selector}",
        "h=" + ":".join(names),
        f"bh={base64.b64encode(digest).decode()}",
        *extra,
        "b=",
    ]
    field = ("DKIM-Signature: " + "; ".join(tags)).encode()
    octets = b"".join(_selected(header, names)) + relaxed_header(field)[:-2]
    return field + key.sign(octets) + b"\r\n" + header


def signed_by_dkimpy(key: Key, canon: tuple[bytes, bytes], *, length: bool = False) -> bytes:
    with patch("dkim.time") as clock:
        clock.time.return_value = AT
        field: bytes = dkim.sign(
            HEADER + b"\r\n" + BODY,
            key.selector.encode(),
            key.domain.encode(),
            key.pem,
            canonicalize=canon,
            length=length,
        )
    return field + HEADER


def sealed(key: Key, header: bytes, *, body: bytes = BODY, cv: str = "", found: str = "spf=pass") -> bytes:
    """The header with one more ARC set on top."""
    sets = [field.raw for field in Header.parse(header).fields if field.name_lower.startswith("arc-")]
    instance = len(sets) // 3 + 1
    cv = cv or ("none" if instance == 1 else "pass")
    results = f"ARC-Authentication-Results: i={instance}; {key.domain}; {found}\r\n".encode()
    names = ["From", "Subject", "DKIM-Signature"]
    digest = base64.b64encode(relaxed_body(body)).decode()
    start = f"i={instance}; a=rsa-sha256; d={key.domain}; s={key.selector}; t={AT}"
    message = f"ARC-Message-Signature: {start}; c=relaxed/relaxed; h={':'.join(names)}; bh={digest}; b="
    octets = b"".join(_selected(header, names)) + relaxed_header(message.encode())[:-2]
    message_field = message.encode() + key.sign(octets) + b"\r\n"
    seal = f"ARC-Seal: {start}; cv={cv}; b=".encode()
    # Oldest set first, in each one results, message signature, seal.
    older = [sets[at : at + 3][::-1] for at in range(0, len(sets), 3)][::-1]
    chain = [raw for one in older for raw in one] + [results, message_field]
    octets = b"".join(map(relaxed_header, chain)) + relaxed_header(seal)[:-2]
    return seal + key.sign(octets) + b"\r\n" + message_field + results + header


def relaxed_body(body: bytes) -> bytes:
    hashing = RelaxedBodyHash()
    hashing.update(body)
    return hashing.digest()


def simple_body(body: bytes) -> bytes:
    return hashlib.sha256(body.rstrip(b"\r\n") + b"\r\n").digest()


def _selected(header: bytes, names: Sequence[str]) -> list[bytes]:
    fields = list(Header.parse(header).fields)
    found = []
    for name in names:
        for field in reversed(fields):
            if field.name_lower == name.lower():
                fields.remove(field)
                found.append(relaxed_header(field.raw))
                break
    return found
