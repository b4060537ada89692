"""Signed mail of strangers in conversations, and the zone that vouches for it.

Each domain has an SPF record with an include, a DKIM key of RSA-2048 and a
DMARC policy. A conversation begins with new mail; each later letter answers
the one before with its text quoted below, in one plain text or with HTML.
"""

import base64
import random
from dataclasses import dataclass

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.words import prose

DOMAINS = 20
MAILBOXES = 10
LETTERS = 5  # of a conversation
_SELECTOR = "s1"
_SIGNED = [b"from", b"to", b"subject", b"date", b"message-id", b"in-reply-to", b"references"]

Zone = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it is handed in."""

    sender: str
    recipient: str
    content: bytes


class Strangers:
    """Who writes. One key for all domains: each stands in the DNS under a name of its own."""

    def __init__(self, seed: int = 7) -> None:
        self._rng = random.Random(seed)
        self._count = 0
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._record = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"

    def zone(self) -> Zone:
        """What the DNS has to say of them."""
        zone: Zone = {"_spf.far.example": {"TXT": ['"v=spf1 ip4:127.0.0.0/8 -all"']}}
        pieces = [self._record[at : at + 250] for at in range(0, len(self._record), 250)]
        for domain in map(_domain, range(DOMAINS)):
            zone[domain] = {
                "TXT": ['"v=spf1 mx include:_spf.far.example -all"'],
                "MX": [f"10 mx.{domain}."],
            }
            zone[f"mx.{domain}"] = {"A": ["192.0.2.1"]}
            zone[f"_dmarc.{domain}"] = {"TXT": ['"v=DMARC1; p=reject"']}
            zone[f"{_SELECTOR}._domainkey.{domain}"] = {"TXT": [" ".join(f'"{piece}"' for piece in pieces)]}
        return zone

    def conversation(self, ours: str) -> list[Mail]:
        """Its letters, all to one mailbox of the domain `ours`."""
        rng = self._rng
        sender = f"person{rng.randrange(1000)}@{_domain(rng.randrange(DOMAINS))}"
        recipient = f"box{rng.randrange(MAILBOXES)}@{ours}"
        subject = " ".join(prose(rng, 30).split()[:4])
        written, ids, quoted = [], list[str](), ""
        for place in range(LETTERS):
            self._count += 1
            message_id = f"<{self._count}.{rng.randrange(1 << 40)}@{sender.rpartition('@')[2]}>"
            fields = [
                f"From: Far Person <{sender}>",
                f"To: Ours <{recipient}>",
                f"Subject: {'Re: ' if place else ''}{subject}",
                "Date: Mon, 1 Jun 2026 10:00:00 +0000",
                f"Message-ID: {message_id}",
                *([f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids)] if ids else []),
            ]
            new = prose(rng, 600)
            text = new + (f"\r\nOn Mon, 1 Jun 2026 Far Person wrote:\r\n{quoted}" if quoted else "")
            quoted = "".join(f"> {line}\r\n" for line in text.splitlines())[:4000]
            written.append(
                Mail(sender, recipient, self._signed(fields, text, sender, with_html=place % 2 == 0))
            )
            ids.append(message_id)
        return written

    def _signed(self, fields: list[str], text: str, sender: str, *, with_html: bool) -> bytes:
        if with_html:
            page = "".join(f"<p>{line}</p>\r\n" for line in text.replace(">", "&gt;").splitlines())
            body = (
                f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
                "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
                f"<html><body>{page}</body></html>\r\n--b--\r\n"
            )
            fields = [*fields, "MIME-Version: 1.0", 'Content-Type: multipart/alternative; boundary="b"']
        else:
            body = text
            fields = [*fields, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8"]
        content = ("\r\n".join(fields) + "\r\n\r\n" + body).encode()
        domain = sender.rpartition("@")[2].encode()
        signature: bytes = dkim.sign(
            content,
            _SELECTOR.encode(),
            domain,
            self._private,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[
                name for name in _SIGNED if f"\n{name.decode()}:" in "\n" + "\n".join(fields).lower()
            ],
        )
        return signature + content


def _domain(number: int) -> str:
    return f"far{number}.example"
