"""One signature of a message, DKIM's or ARC's: its tags, its key, and whether it holds (RFC 6376, RFC 8301).

The arithmetic is dkimpy's. Bodies are hashed once for all signatures, and
whatever a stranger wrote is bounded before a regular expression of dkimpy
sees it.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import dkim
from dkim.canonicalization import CanonicalizationPolicy, InvalidCanonicalizationPolicyError
from dkim.util import InvalidTagValueList, parse_tag_value

from inbound.authenticate.public_key import PublicKey, UnusableKey, read_key
from inbound.authenticate.results import Verdict
from relay.message.canonical import RelaxedBodyHash
from relay.message.headers import Field

RawField = tuple[bytes, bytes]

_LONGEST_FIELD = 8192
_MOST_NAMES = 200
_CHUNK = 262_144
_SMALLEST_RSA = 1024  # RFC 8301 §3.2
_SPACE = re.compile(rb"\s+")

_silent = logging.getLogger("inbound.authenticate.dkimpy")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


class SignatureFault(Exception):
    """The signature does not hold; `verdict` says in which way."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict


class Body:
    """The octets of a body, and their SHA-256 in both canonical forms, taken once."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @cached_property
    def simple(self) -> bytes:
        """RFC 6376 §3.4.3: exactly one CRLF at the end."""
        end = len(self._octets.rstrip(b"\r\n"))
        digest = hashlib.sha256(memoryview(self._octets)[:end])
        digest.update(b"\r\n")
        return digest.digest()

    @cached_property
    def relaxed(self) -> bytes:
        """RFC 6376 §3.4.4."""
        hashing, octets = RelaxedBodyHash(), memoryview(self._octets)
        for start in range(0, len(octets), _CHUNK):
            hashing.update(bytes(octets[start : start + _CHUNK]))
        return hashing.digest()


@dataclass(frozen=True)
class Signature:
    """The tags of one field, white space gone from `b` and `bh`."""

    field: RawField
    tags: Mapping[bytes, bytes]

    def text(self, tag: str) -> str:
        """A tag's value in lower case; empty where there is none, odd octets replaced."""
        return self.tags.get(tag.encode(), b"").decode("utf-8", "replace").lower()

    @property
    def key_name(self) -> str:
        """Where the public key stands in the DNS."""
        return f"{self.text('s')}._domainkey.{self.text('d')}"

    @property
    def names(self) -> list[bytes]:
        """The names of the signed fields, in lower case."""
        return [name.strip().lower() for name in self.tags.get(b"h", b"").split(b":")]


def raw_field(field: Field) -> RawField:
    """As dkimpy takes it: the name without white space, the value with its folds and CRLF."""
    name, _, value = field.raw.partition(b":")
    return name.rstrip(b" \t"), value


def read_signature(field: Field) -> Signature:
    """The tags, unchecked; raises SignatureFault where they cannot be told apart."""
    if len(field.raw) > _LONGEST_FIELD:
        raise SignatureFault("neutral", f"the field is longer than {_LONGEST_FIELD} octets")
    name, value = raw_field(field)
    try:
        tags = parse_tag_value(value)
    except InvalidTagValueList:
        raise SignatureFault("neutral", "the field is no list of tags") from None
    tags |= {tag: _SPACE.sub(b"", tags[tag]) for tag in (b"b", b"bh") if tag in tags}
    return Signature((name, value), tags)


def check_tags(signature: Signature, required: Sequence[bytes], *, arc: bool = False) -> None:
    """Raise SignatureFault unless the required tags are there and all say something valid.

    Times are not looked at. The algorithm of yesterday, SHA-1, is refused
    whatever its key (RFC 8301 §3.1).
    """
    if signature.tags.get(b"a") == b"rsa-sha1":
        raise SignatureFault("policy", "SHA-1 is broken")
    if len(signature.names) > _MOST_NAMES:
        raise SignatureFault("neutral", f"more than {_MOST_NAMES} fields are signed")
    timeless = {tag: value for tag, value in signature.tags.items() if tag not in (b"t", b"x")}
    try:
        dkim.validate_signature_fields(timeless, list(required), arc)
        CanonicalizationPolicy.from_c_value(signature.tags.get(b"c"))
    except (dkim.DKIMException, InvalidCanonicalizationPolicyError, ValueError, IndexError) as error:
        raise SignatureFault("neutral", f"a tag is not valid: {error}") from None


def check(
    signature: Signature, names: Sequence[bytes], fields: Sequence[RawField], keys: Mapping[str, bytes | None]
) -> None:
    """Raise SignatureFault unless the signature holds over these `names` of `fields`, bottom first.

    The body's hash is another matter: `check_body`.
    """
    key, wanted = _key(signature, keys), set(names)
    judge = dkim.DKIM(logger=_silent, minkey=0)
    judge.headers = [field for field in fields if field[0].lower() in wanted]
    judge.pk, judge.keysize, judge.ktag = key.material, key.bits, key.kind.encode()
    tags = {tag: value for tag, value in signature.tags.items() if tag not in (b"bh", b"l")}
    try:
        holds = judge.verify_sig_process(tags, list(names), signature.field, None)
    except Exception as error:  # dkimpy raises whatever comes up on the way
        raise SignatureFault("neutral", f"it could not be checked: {type(error).__name__}") from None
    if not holds:
        raise SignatureFault("fail", "the signature does not fit")
    if key.kind == "rsa" and key.bits < _SMALLEST_RSA:
        raise SignatureFault("policy", f"a key of {key.bits} bits is too weak")


def check_body(signature: Signature, body: Body) -> None:
    """Raise SignatureFault unless the body is what was signed."""
    policy = CanonicalizationPolicy.from_c_value(signature.tags.get(b"c"))
    digest = body.relaxed if policy.body_algorithm.name == b"relaxed" else body.simple
    try:
        signed = base64.b64decode(signature.tags[b"bh"])
    except ValueError:
        raise SignatureFault("neutral", "the body's hash is not base64") from None
    if signed != digest:
        raise SignatureFault("fail", "the body was changed")


def _key(signature: Signature, keys: Mapping[str, bytes | None]) -> PublicKey:
    record = keys.get(signature.key_name, b"")
    if record is None:
        raise SignatureFault("temperror", "the DNS did not give the key")
    if not record:
        raise SignatureFault("permerror", "there is no key")
    try:
        return read_key(record, signature.text("a"), signature.text("d"), signature.text("i"))
    except UnusableKey as error:
        raise SignatureFault("permerror", str(error)) from None
