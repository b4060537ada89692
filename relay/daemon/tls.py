"""The certificate of the SMTP doors, read at start and again on reload."""

import os
import ssl
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from relay.clock import Clock
from relay.config import TlsConfig
from relay.errors import PosthouseError

SELF_SIGNED_LIFETIME = timedelta(days=825)


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


def write_self_signed(directory: Path, hostname: str, clock: Clock) -> tuple[Path, Path]:
    """A certificate for `hostname` that nobody vouches for, and its key (0600); kept if both are there.

    Enough for opportunistic TLS and for trying out; not for clients that verify.
    """
    certificate, key = directory / "tls.crt", directory / "tls.key"
    if certificate.exists() and key.exists():
        return certificate, key
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(hours=1))
        .not_valid_after(clock.now() + SELF_SIGNED_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    _write(certificate, signed.public_bytes(Encoding.PEM), 0o644)
    _write(key, private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    return certificate, key


def _write(path: Path, content: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
