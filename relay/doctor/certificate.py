"""The certificate of the SMTP doors: there, ours, in time, and its key readable by us alone."""

import stat
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from relay.config import TlsConfig
from relay.doctor.finding import Finding, Grade

DAYS_OF_WARNING = 14
_WHAT = "TLS certificate"
_POINT = "point tls.certificate and tls.private_key at certbot's fullchain.pem and privkey.pem"


def check_certificate(tls: TlsConfig, hostname: str, now: datetime, *, needed: bool) -> list[Finding]:
    """`needed`: a door listens beyond this machine, where nobody can log in without TLS."""
    if tls.certificate is None or tls.private_key is None:
        grade = Grade.PROBLEM if needed else Grade.WARNING
        return [Finding(_WHAT, grade, f"one for {hostname}", "none is set: STARTTLS is not offered", _POINT)]
    try:
        chain = x509.load_pem_x509_certificates(tls.certificate.read_bytes())
    except (OSError, ValueError) as error:
        return [Finding(_WHAT, Grade.PROBLEM, f"PEM in {tls.certificate}", str(error), _POINT)]
    return [
        _check_names(chain[0], hostname),
        _check_days(chain[0], now),
        _check_issuer(chain),
        _check_key(chain[0], tls.private_key),
    ]


def matches(certificate: x509.Certificate, hostname: str) -> bool:
    """Whether a client that wants `hostname` takes it (RFC 6125: the left-most label may be `*`)."""
    wildcard = "*." + hostname.partition(".")[2]
    return bool({hostname.lower(), wildcard.lower()} & {name.lower() for name in names_in(certificate)})


def names_in(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return []
    assert isinstance(extension.value, x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def _check_names(certificate: x509.Certificate, hostname: str) -> Finding:
    found = ", ".join(names_in(certificate)) or "no name"
    if matches(certificate, hostname):
        return Finding("TLS name", Grade.OK, hostname, found)
    advice = f"get a certificate for {hostname}, or set server.hostname to the name that clients use"
    return Finding("TLS name", Grade.PROBLEM, hostname, found, advice)


def _check_days(certificate: x509.Certificate, now: datetime) -> Finding:
    what, expected = "TLS validity", f"more than {DAYS_OF_WARNING} days left"
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    until = f"until {ends:%Y-%m-%d}"
    if now < begins:
        found = f"valid from {begins:%Y-%m-%d %H:%M} UTC only"
        return Finding(what, Grade.PROBLEM, expected, found, "compare this machine's clock")
    days = (ends - now).days
    renew = "renew it (certbot renew), then systemctl reload posthouse"
    if now >= ends:
        return Finding(what, Grade.PROBLEM, expected, f"expired on {ends:%Y-%m-%d}", renew)
    if days <= DAYS_OF_WARNING:
        return Finding(what, Grade.WARNING, expected, f"{days} days, {until}", renew)
    return Finding(what, Grade.OK, expected, f"{days} days, {until}")


def _check_issuer(chain: list[x509.Certificate]) -> Finding:
    what, expected = "TLS chain", "an issuer that clients know, and its chain"
    leaf = chain[0]
    if leaf.issuer == leaf.subject:
        return Finding(what, Grade.WARNING, expected, "signed by itself: clients will not believe it", _POINT)
    if len(chain) == 1:
        advice = "use the file with the whole chain (certbot: fullchain.pem)"
        return Finding(what, Grade.WARNING, expected, "the certificate stands alone in its file", advice)
    return Finding(what, Grade.OK, expected, f"{len(chain)} certificates, by {leaf.issuer.rfc4514_string()}")


def _check_key(certificate: x509.Certificate, path: Path) -> Finding:
    what, expected = "TLS key", "readable by this service alone, and the certificate's"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        advice = "the service's user must be able to read it: see Certificates in docs/operations.md"
        return Finding(what, Grade.PROBLEM, expected, f"{path}: {error}", advice)
    theirs, ours = (
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for each in (certificate.public_key(), key.public_key())
    )
    if theirs != ours:
        return Finding(what, Grade.PROBLEM, expected, f"{path} is the key of another certificate", _POINT)
    if mode & 0o007:
        return Finding(what, Grade.WARNING, expected, f"mode {mode:04o}", f"chmod o-rwx {path}")
    return Finding(what, Grade.OK, expected, f"mode {mode:04o}")
