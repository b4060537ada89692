"""DKIM keys: made, kept and loaded from `<key_dir>/<domain>/<selector>.pem`.

A private key that somebody else may read signs mail for somebody else, so a
file with loose modes is refused and never quietly repaired. Each domain gets
an RSA-2048 and an Ed25519 key (RFC 6376, RFC 8463), and selectors carry the
day they were made.
"""

import base64
import re
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from relay.address import InvalidAddress, is_literal, parse_domain
from relay.errors import InvalidInput
from relay.signing.files import KeyFault, make_private_directory, read_private_file, write_private_file

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_SELECTOR = re.compile(rf"(?!.{{64}}){_LABEL}(?:\.{_LABEL})*\Z")
_SMALLEST_RSA = 1024  # RFC 8301 §3.2: verifiers need not look at less
_RSA_SIZE = 2048

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


class NoSigningKey(KeyFault):
    """The domain has no key, or not the one that is asked for."""


@dataclass(frozen=True)
class DkimKey:
    """One key of one domain, ready to sign. The private part is in no repr."""

    domain: str
    selector: str
    private_key: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> Literal["rsa", "ed25519"]:
        """As `k=` names it, and the table dkim_keys."""
        return "rsa" if isinstance(self.private_key, RSAPrivateKey) else "ed25519"

    @property
    def dns_name(self) -> str:
        """Where the TXT record stands, without a dot at the end."""
        return f"{self.selector}._domainkey.{self.domain}"

    @cached_property
    def dns_record(self) -> str:
        """The text of the TXT record, in one piece; DNS parts it into strings of 255 octets."""
        return f"v=DKIM1; k={self.algorithm}; p={base64.b64encode(self._public_octets()).decode()}"

    def _public_octets(self) -> bytes:
        if isinstance(self.private_key, RSAPrivateKey):
            return self.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)  # RFC 8463 §4


class KeyRing:
    """The keys under one directory. Each file is read once. Threads may share it."""

    def __init__(self, key_dir: Path) -> None:
        self._key_dir = key_dir
        self._loaded: dict[tuple[str, str], DkimKey] = {}
        self._making = threading.Lock()

    def generate(self, domain: str, at: datetime) -> list[DkimKey]:
        """Make an RSA-2048 and an Ed25519 key for `domain`, with selectors of the day `at` in UTC.

        Both files are on disk, flushed, with mode 0600 in a directory of mode
        0700, or none is under its name. Existing keys stay untouched, and who
        asks at the same time gets others. Takes about 0.1 s of CPU: run it in
        a thread where that matters.
        """
        rsa, ed25519 = generate_private_key(65537, _RSA_SIZE), Ed25519PrivateKey.generate()
        directory = self._directory(domain)
        with self._making:
            make_private_directory(self._key_dir)
            make_private_directory(directory)
            rsa_name, ed25519_name = self._free_selectors(domain, at.astimezone(UTC))
            keys = [DkimKey(domain, rsa_name, rsa), DkimKey(domain, ed25519_name, ed25519)]
            self._write(keys)
            self._loaded |= {(domain, key.selector): key for key in keys}
        return keys

    def _write(self, keys: Iterable[DkimKey]) -> None:
        """Afterwards all are on disk, or none."""
        written: list[Path] = []
        try:
            for key in keys:
                path = self._path(key.domain, key.selector)
                write_private_file(path, _pem(key.private_key))
                written.append(path)
        except BaseException:
            for path in written:
                path.unlink()
            raise

    def active(self, domain: str, selectors: Collection[str] | None = None) -> tuple[DkimKey, ...]:
        """The keys to sign with, RSA first: those named, or all that are in the domain's directory.

        Raises NoSigningKey when there is none or a named one is missing, and
        KeyFault when a file is not private to us or holds no key.
        """
        if selectors is None:
            selectors = self.selectors(domain)
        if not selectors:
            raise NoSigningKey(f"no DKIM key in {self._directory(domain)}")
        keys = (self.key(domain, selector) for selector in sorted(set(selectors)))
        return tuple(sorted(keys, key=lambda key: key.algorithm, reverse=True))

    def key(self, domain: str, selector: str) -> DkimKey:
        """The key of that name; raises as `active` does."""
        found = self._loaded.get((domain, selector))
        if found is None:
            found = self._loaded[domain, selector] = self._load(domain, selector)
        return found

    def selectors(self, domain: str) -> list[str]:
        """The selectors that have a file, sorted; empty for a domain without keys."""
        directory = self._directory(domain)
        if not directory.is_dir():
            return []
        return sorted(path.stem for path in directory.glob("*.pem") if not path.name.startswith("."))

    def remove(self, domain: str, selector: str) -> None:
        """Afterwards there is no such key, whether or not there was one before."""
        self._path(domain, selector).unlink(missing_ok=True)
        self._loaded.pop((domain, selector), None)

    def forget(self) -> None:
        """Read every file again when it is next needed."""
        self._loaded.clear()

    def _load(self, domain: str, selector: str) -> DkimKey:
        path = self._path(domain, selector)
        try:
            pem = read_private_file(path)
        except FileNotFoundError:
            raise NoSigningKey(f"no DKIM key at {path}") from None
        return DkimKey(domain, selector, _parse(pem, path))

    def _free_selectors(self, domain: str, day: datetime) -> tuple[str, str]:
        """Names of that day for an RSA and an Ed25519 key, which no file has."""
        taken = set(self.selectors(domain))
        stem = f"ph{day:%Y%m%d}"
        endings = ("", *(str(number) for number in range(2, 1000)))
        ending = next(ending for ending in endings if not {f"{stem}r{ending}", f"{stem}e{ending}"} & taken)
        return f"{stem}r{ending}", f"{stem}e{ending}"

    def _directory(self, domain: str) -> Path:
        """The domain as one path component: A-labels in lower case and nothing else."""
        try:
            spelled = parse_domain(domain)
        except InvalidAddress as error:
            raise InvalidInput(f"{domain[:80]!r} is not a domain: {error}") from error
        if spelled != domain or is_literal(domain):
            raise InvalidInput(f"{domain[:80]!r} is not a domain name in lower-case A-labels")
        return self._key_dir / domain

    def _path(self, domain: str, selector: str) -> Path:
        if not _SELECTOR.match(selector):
            raise InvalidInput(f"{selector[:80]!r} is not a DKIM selector")
        return self._directory(domain) / f"{selector}.pem"


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _parse(pem: bytes, path: Path) -> PrivateKey:
    try:
        # OpenSSL's full check takes 45 ms; the probe below finds a damaged key in less than one.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        raise KeyFault(f"{path} holds no unencrypted private key in PEM: {error}") from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey):
        if key.key_size < _SMALLEST_RSA:
            raise KeyFault(f"{path} holds an RSA key of {key.key_size} bits; the least is {_SMALLEST_RSA}")
        _probe(key, path)
        return key
    raise KeyFault(f"{path} holds neither an RSA nor an Ed25519 key")


def _probe(key: RSAPrivateKey, path: Path) -> None:
    try:
        signature = key.sign(b"probe", PKCS1v15(), SHA256())
        key.public_key().verify(signature, b"probe", PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature) as error:
        raise KeyFault(f"{path} holds a damaged RSA key") from error
