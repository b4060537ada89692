"""Sign a message when it starts to travel: relaxed/relaxed, RSA-SHA256 and Ed25519-SHA256 together.

RFC 6376 and RFC 8463. What a reader sees or clicks is over-signed: each such
name is listed once more than it occurs, so that adding a second Subject or
Content-Type on the way breaks the signature. The length tag `l=` is never
used, since it lets text be appended.
"""

import base64
import hashlib
import itertools
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from relay.message.canonical import relaxed_header
from relay.message.headers import Field, Header
from relay.signing.keys import DkimKey, KeyRing
from relay.signing.pool import SigningPool

OVER_SIGNED = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Reply-To",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
]
# Signed where present: adding one on the way (a list does) breaks nothing. Not what relays rewrite.
SIGNED = [
    "Sender",
    "In-Reply-To",
    "References",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-ID",
    "Content-Language",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
]
# Our own queue and the far side's (a forwarder, a backup MX) may each hold mail for five days, and
# signatures are checked on arrival. Four days to spare; a stolen copy is of no use for longer.
LIFETIME = timedelta(days=14)

_COLUMNS = 76
_PKCS1 = PKCS1v15()
_SHA256 = SHA256()


class Signer:
    """Signs with the keys of a ring. RSA runs in `threads` of its own; the loop goes on meanwhile."""

    def __init__(self, keys: KeyRing, *, lifetime: timedelta = LIFETIME, threads: int = 2) -> None:
        self._keys = keys
        self.lifetime = lifetime
        self._pool = SigningPool(threads)

    async def sign(
        self,
        domain: str,
        header: Header,
        body_hash: bytes,
        at: datetime,
        *,
        selectors: Collection[str] | None = None,
    ) -> bytes:
        """The DKIM-Signature fields of `domain`, RSA first, each with its CRLF, to be prepended to `header`.

        `header` is what travels, but for fields that are prepended later;
        `body_hash` is that of RelaxedBodyHash. The same arguments give the
        same octets. `selectors` names the active keys; by default all files
        of the domain sign. Raises NoSigningKey and KeyFault.
        """
        keys = self._keys.active(domain, selectors)
        names, signed = _signed_part(header.fields)
        expires_at = at + self.lifetime
        fields = [_unsigned_field(key, names, body_hash, at, expires_at) for key in keys]
        octets = [signed + relaxed_header(field)[:-2] for field in fields]
        values = await self._pool.run(
            [partial(_sign, key, data) for key, data in zip(keys, octets, strict=True)]
        )
        return b"".join(field + _folded(value) for field, value in zip(fields, values, strict=True))

    def close(self) -> None:
        """Let the threads go, once what they are at is done. No signature is asked for afterwards."""
        self._pool.close()


def _signed_part(fields: Iterable[Field]) -> tuple[list[str], bytes]:
    """The names for `h=` and the canonical octets of what they stand for (RFC 6376 §5.4.2: bottom first)."""
    by_name: dict[str, list[bytes]] = {}
    for field in fields:
        by_name.setdefault(field.name_lower, []).append(field.raw)
    names: list[str] = []
    canonical: list[bytes] = []
    for name, extra in itertools.chain(((name, 1) for name in OVER_SIGNED), ((name, 0) for name in SIGNED)):
        occurrences = by_name.get(name.lower(), [])
        names.extend([name] * (len(occurrences) + extra))
        canonical.extend(relaxed_header(raw) for raw in reversed(occurrences))
    return names, b"".join(canonical)


def _unsigned_field(
    key: DkimKey, names: list[str], body_hash: bytes, at: datetime, expires_at: datetime
) -> bytes:
    """The field up to and including an empty `b=`, which stands last so that nothing can follow it."""
    tags = [
        "v=1;",
        f" a={key.algorithm}-sha256;",
        " c=relaxed/relaxed;",
        f" d={key.domain};",
        f" s={key.selector};",
        f" t={int(at.timestamp())};",
        f" x={int(expires_at.timestamp())};",
        " h=" + names[0],
        *(":" + name for name in names[1:]),
        ";",
        f" bh={base64.b64encode(body_hash).decode()};",
    ]
    return _wrapped("DKIM-Signature: ", tags).encode() + b"\r\n\tb="


def _wrapped(line: str, pieces: list[str]) -> str:
    lines: list[str] = []
    for piece in pieces:
        if len(line) + len(piece) > _COLUMNS and piece != ";":
            lines.append(line)
            line = "\t" + piece.lstrip(" ")
        else:
            line += piece
    return "\r\n".join([*lines, line])


def _sign(key: DkimKey, octets: bytes) -> bytes:
    if isinstance(key.private_key, RSAPrivateKey):
        return key.private_key.sign(octets, _PKCS1, _SHA256)
    return key.private_key.sign(hashlib.sha256(octets).digest())  # RFC 8463 §3: the hash is what is signed


def _folded(signature: bytes) -> bytes:
    """Base64 behind `b=`, folded inside but not before its first character, where verifiers differ."""
    text = base64.b64encode(signature)
    parts = [text[start : start + 72] for start in range(0, len(text), 72)]
    return b"\r\n\t".join(parts) + b"\r\n"
