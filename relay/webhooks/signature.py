"""Sign a post, so that its receiver knows that it is ours and fresh.

Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body` with the secret's
octets, in base64 after `v1,`. While a secret is being replaced each post
carries both signatures. The headers of Svix have other names and equal values.

Receivers that verify another form get it besides, in a field of their own:
`t=…,v1=…` in hex over `timestamp.body`, or the bare hex over the body. There
the key is the secret as it is shown, and the body is as before compression.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

Style: TypeAlias = Literal["standard", "timestamped", "hex"]

STANDARD: Final = "standard"
PREFIX = "whsec_"
_SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64


def new_secret() -> str:
    """A fresh secret, as it is shown to its owner."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def sign(secret: str, id_: str, timestamp: int, body: bytes) -> str:
    """One signature; `timestamp` is in whole seconds. Raises ValueError for what is no secret of ours."""
    signed = b"%b.%d.%b" % (id_.encode(), timestamp, body)
    digest = hmac.digest(_key(secret), signed, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def signed_headers(
    with_secrets: Sequence[str], id_: str, timestamp: int, body: bytes
) -> list[tuple[str, str]]:
    """The header fields that prove a post, under both families of names."""
    signatures = " ".join(sign(secret, id_, timestamp, body) for secret in with_secrets)
    values = {"id": id_, "timestamp": str(timestamp), "signature": signatures}
    return [(f"{family}-{name}", value) for family in ("webhook", "svix") for name, value in values.items()]


def styled_signature(
    style: Style, with_secrets: Sequence[str], attempt: int, timestamp: int, body: bytes
) -> str:
    """The value of the field for a receiver that verifies `style`; `with_secrets` has the newest first.

    Such receivers look at one signature, some at the first and some at the
    last. While a secret is being replaced the order turns with each attempt,
    so whichever secret they have, the second try is taken at the latest.
    """
    in_turn = list(with_secrets) if attempt % 2 else list(reversed(with_secrets))
    if style == "hex":
        return _hex(in_turn[0], body)
    return ",".join(
        [f"t={timestamp}", *(f"v1={_hex(secret, b'%d.%b' % (timestamp, body))}" for secret in in_turn)]
    )


def _hex(secret: str, signed: bytes) -> str:
    return hmac.digest(secret.encode(), signed, "sha256").hex()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret is no base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError("the secret has not between 24 and 64 octets")
    return key
