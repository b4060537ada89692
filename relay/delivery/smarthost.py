"""Read `delivery.smarthost`: one fixed next hop instead of the MX records.

`host:port` uses TLS where it is offered, unverified. `smtp://` with a
password insists on verified STARTTLS, `smtps://` on verified TLS from the
first octet; `?verify=no` accepts any certificate, `?tls=none` speaks plainly
(never with a password). User and password are percent-encoded.
"""

from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from relay.errors import InvalidInput


class TlsUse(Enum):
    """How much a hop insists on TLS."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    IMPLICIT = "implicit"


_SCHEMES = {"smtp": 25, "smtps": 465, "submission": 587}


@dataclass(frozen=True, slots=True)
class Smarthost:
    """A fixed next hop. `password` is never shown."""

    host: str
    port: int
    tls: TlsUse = TlsUse.OPPORTUNISTIC
    verify: bool = False
    login: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_smarthost(text: str) -> Smarthost | None:
    """The setting as a Smarthost, None for the empty text; raises InvalidInput with the reason."""
    if not text:
        return None
    try:
        url = urlsplit(text if "://" in text else f"smtp://{text}")
        port, query = url.port, parse_qs(url.query, strict_parsing=bool(url.query))
    except ValueError as error:
        raise InvalidInput(f"delivery.smarthost: {error}") from None
    if (
        url.scheme not in _SCHEMES
        or not url.hostname
        or url.path.strip("/")
        or set(query) - {"tls", "verify"}
    ):
        raise InvalidInput('delivery.smarthost is "host:port" or "smtp://user:password@host:port"')
    smarthost = Smarthost(
        url.hostname,
        port or _SCHEMES[url.scheme],
        _tls_use(url, query),
        _verify(url, query),
        unquote(url.username) if url.username else None,
        unquote(url.password) if url.password else None,
    )
    _check_login(smarthost)
    return smarthost


def _tls_use(url: SplitResult, query: dict[str, list[str]]) -> TlsUse:
    if url.scheme == "smtps":
        return TlsUse.IMPLICIT
    if "tls" in query:
        try:
            return TlsUse(query["tls"][-1])
        except ValueError:
            raise InvalidInput("delivery.smarthost: tls is none, opportunistic or required") from None
    return TlsUse.REQUIRED if url.username else TlsUse.OPPORTUNISTIC


def _verify(url: SplitResult, query: dict[str, list[str]]) -> bool:
    answer = query.get("verify", ["yes" if url.username or url.scheme == "smtps" else "no"])[-1]
    if answer not in ("yes", "no"):
        raise InvalidInput("delivery.smarthost: verify is yes or no")
    return answer == "yes"


def _check_login(smarthost: Smarthost) -> None:
    if (smarthost.login is None) != (smarthost.password is None):
        raise InvalidInput("delivery.smarthost: a user needs a password, and a password a user")
    if smarthost.login is not None and smarthost.tls in (TlsUse.NONE, TlsUse.OPPORTUNISTIC):
        raise InvalidInput("delivery.smarthost: a password travels only over TLS")
    for text in (smarthost.login or "", smarthost.password or ""):
        if "\0" in text:
            raise InvalidInput("delivery.smarthost: no NUL in user or password (RFC 4616)")
