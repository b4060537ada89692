"""Sign a post, so that its receiver knows that it is ours and fresh.

Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body` with the secret's
octets, in base64 after `v1,`. While a secret is being replaced each post
carries both signatures. The headers of Svix have other names and equal values.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Sequence

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


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret is no base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError("the secret has not between 24 and 64 octets")
    return key
