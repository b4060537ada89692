"""The public key of a signature: which are asked for, and what a record in the DNS says (RFC 6376 §3.6.1).

Keys are fetched before a signature is looked at, because the arithmetic runs
in a process that has no network. How many is bounded: a message may carry any
number of signatures, and each asks the DNS of somebody else.
"""

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

from relay.resolver import NameDoesNotExist, NoSuchRecord, ResolverTrouble

_LARGEST_RSA = 8192
_LARGEST_EXPONENT = 2**64


class UnusableKey(ValueError):
    """The record holds no key for this signature."""


class KeyResolver(Protocol):
    """What asks for keys: `relay.resolver.Resolver`, or something like it."""

    async def txt(self, name: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`material` is as dkimpy takes it; `kind` is "rsa" or "ed25519"."""

    kind: str
    bits: int
    material: Any


async def fetch_keys(
    resolver: KeyResolver, names: Iterable[str], within: float | None = None
) -> dict[str, bytes | None]:
    """The records by name: b"" where there is none, None where the DNS did not say within these seconds."""
    asking = {name: asyncio.create_task(_fetch(resolver, name)) for name in set(names)}
    if not asking:
        return {}
    try:
        await asyncio.wait(asking.values(), timeout=within)
        return {name: task.result() if task.done() else None for name, task in asking.items()}
    finally:
        for task in asking.values():
            task.cancel()


async def _fetch(resolver: KeyResolver, name: str) -> bytes | None:
    try:
        texts = await resolver.txt(name)
    except (NameDoesNotExist, NoSuchRecord):
        return b""
    except ResolverTrouble:
        return None
    # One name has one key; where there are more texts, the first that looks like one.
    likely = [text for text in texts if "p=" in text] or [""]
    return likely[0].encode("utf-8", "surrogateescape")


def read_key(record: bytes, algorithm: str, domain: str, identity: str) -> PublicKey:
    """The key for a signature of `algorithm` by `domain`; raises UnusableKey."""
    try:
        tags = parse_tag_value(record)
    except InvalidTagValueList:
        raise UnusableKey("the key's record is no list of tags") from None
    _check_use(tags, algorithm, domain, identity)
    try:
        # Service types were looked at; dkimpy knows one only where there may be a list.
        material, bits, kind = _evaluated(b"; ".join(_essential(tags)))
    except Exception as error:  # its ASN.1 reader raises whatever comes up
        raise UnusableKey(f"the key cannot be read: {type(error).__name__}") from None
    if kind == b"rsa" and (bits > _LARGEST_RSA or material["publicExponent"] > _LARGEST_EXPONENT):
        raise UnusableKey("the key is too large")
    return PublicKey(kind.decode(), bits, material)


@lru_cache(maxsize=256)
def _evaluated(record: bytes) -> tuple[Any, int, bytes]:
    """A key as dkimpy reads it, once for all the mail that it signs."""
    material, bits, kind, _ = dkim.evaluate_pk("key", record)
    return material, bits, kind


def _check_use(tags: dict[bytes, bytes], algorithm: str, domain: str, identity: str) -> None:
    if tags.get(b"v", b"DKIM1") != b"DKIM1":
        raise UnusableKey("the key is of another version")
    if not tags.get(b"p"):
        raise UnusableKey("the key is revoked" if b"p" in tags else "the record has no key")
    kind, _, hashing = algorithm.partition("-")
    if tags.get(b"k", b"rsa").decode("ascii", "replace") != kind:
        raise UnusableKey("the key is of another kind")
    if hashing not in _listed(tags, b"h", hashing):
        raise UnusableKey("the key is for another hash")
    if not {"*", "email"} & _listed(tags, b"s", "*"):
        raise UnusableKey("the key is not for mail")
    if "s" in _listed(tags, b"t", "") and identity and identity.rpartition("@")[2] != domain:
        raise UnusableKey("the key is not for subdomains")


def _listed(tags: dict[bytes, bytes], tag: bytes, default: str) -> set[str]:
    return {part.strip() for part in tags.get(tag, default.encode()).decode("ascii", "replace").split(":")}


def _essential(tags: dict[bytes, bytes]) -> list[bytes]:
    key = base64.b64encode(base64.b64decode(tags[b"p"]))
    return [b"k=" + tags.get(b"k", b"rsa"), b"p=" + key]
