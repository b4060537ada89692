"""Certificates for the far side: from an authority that a test may trust, or may not."""

import ssl

import trustme


def server_context(*names: str, authority: trustme.CA | None = None) -> ssl.SSLContext:
    """A server's TLS context with a certificate for `names`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority or trustme.CA()).issue_cert(*names).configure_cert(context)
    return context
