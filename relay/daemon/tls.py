"""The certificate of the SMTP doors, read at start and again on reload."""

import ssl

from relay.config import TlsConfig
from relay.errors import PosthouseError


class CertificateTrouble(PosthouseError):
    """The certificate or its key cannot be used; the text names the file and says why."""


def server_context(tls: TlsConfig) -> ssl.SSLContext | None:
    """A context for STARTTLS and implicit TLS, TLS 1.2 at least; None when no certificate is set."""
    if tls.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_certificate(context, tls)
    return context


def load_certificate(context: ssl.SSLContext, tls: TlsConfig) -> None:
    """Read the files into a context that is in use: new handshakes get the new certificate."""
    assert tls.certificate is not None
    try:
        context.load_cert_chain(tls.certificate, tls.private_key)
    except (OSError, ssl.SSLError) as error:
        raise CertificateTrouble(f"tls.certificate {tls.certificate}: {error}") from error
