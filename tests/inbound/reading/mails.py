"""Mail to read: a header block and a body, written as they look."""

from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed

DSN = """\
Return-Path: <>
From: Mail Delivery System <mailer-daemon@far.example>
Content-Type: multipart/report; report-type=delivery-status; boundary=r

--r

The message was not delivered.
--r
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.example

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1
  no such user

Final-Recipient: rfc822; bob@far.example
Action: delayed
--r
Content-Type: message/rfc822

Message-ID: <sent@ours.test>
Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=

The original text.
--r--
"""


def split(text: str | bytes) -> tuple[bytes, bytes]:
    """Header and body with CRLF line ends, as the store keeps them."""
    octets = text if isinstance(text, bytes) else text.encode().replace(b"\n", b"\r\n")
    if octets.startswith(b"\r\n"):
        return b"", octets[2:]
    header, _, body = octets.partition(b"\r\n\r\n")
    return header + b"\r\n", body


def read(text: str | bytes) -> Parsed:
    return parse(*split(text))
