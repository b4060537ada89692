"""TLS towards a far server: how it is asked for, and what was agreed on."""

import asyncio
import ssl
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What protects the connection; `verified` says that the certificate was checked."""

    version: str
    cipher: str
    verified: bool

    def __str__(self) -> str:
        return f"{self.version} {self.cipher} {'verified' if self.verified else 'unverified'}"


@cache
def tls_context(verify: bool) -> ssl.SSLContext:
    """Verified as a browser would, or any certificate at all: better than plain text (RFC 7435)."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def find_tls(transport: asyncio.BaseTransport | None, verified: bool) -> TlsFacts | None:
    """What protects this transport; None in plain text."""
    channel = transport.get_extra_info("ssl_object") if transport is not None else None
    if channel is None:
        return None
    cipher = channel.cipher()
    return TlsFacts(channel.version() or "?", cipher[0] if cipher else "?", verified)
