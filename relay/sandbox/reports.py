"""What comes back for test mail: a delivery status notification (RFC 3464) or a complaint (ARF, RFC 5965).

Both are written as far servers and providers write them, to the signed bounce
address, and are read on arrival like all others: nothing here says what they are.
"""

from dataclasses import dataclass
from datetime import datetime

from relay.address import Address
from relay.message.dsn import Dsn, DsnAction, DsnRecipient, build_dsn
from relay.message.headers import fold, format_date
from relay.message.parts import choose_boundary
from relay.replies import SmtpReply
from relay.sandbox.conduct import DOMAIN

_GONE = SmtpReply(550, "5.1.1", "No such mailbox here")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that is reported on: `to` is the message's bounce address, `header` what was sent."""

    recipient: Address
    to: Address
    at: datetime
    reported_at: datetime
    report_id: str
    header: bytes


def bounce_of(delivered: Delivered) -> tuple[bytes, bytes]:
    """Header and body of the notice that the mailbox is not there after all."""
    recipient = DsnRecipient(
        delivered.recipient, DsnAction.FAILED, _GONE, remote_mta=DOMAIN, last_attempt_at=delivered.at
    )
    return build_dsn(
        Dsn(
            reporting_mta=DOMAIN,
            to=delivered.to,
            message_id=delivered.report_id,
            at=delivered.reported_at,
            arrived_at=delivered.at,
            recipients=(recipient,),
            original_header=delivered.header,
        )
    )


def complaint_of(delivered: Delivered) -> tuple[bytes, bytes]:
    """Header and body of the report that the recipient calls it spam."""
    original = f"Return-Path: <{delivered.to}>\r\n".encode() + delivered.header
    parts = [
        _part("text/plain; charset=us-ascii", b"This is an e-mail abuse report for a message of yours.\r\n"),
        _part("message/feedback-report", _feedback(delivered)),
        _part("text/rfc822-headers", original, encoding="7bit" if original.isascii() else "8bit"),
    ]
    boundary = choose_boundary(delivered.report_id.encode(), parts)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
    fields = [
        ("From", f"Feedback loop <fbl@{DOMAIN}>"),
        ("To", f"<{delivered.to}>"),
        ("Subject", "Abuse report"),
        ("Date", format_date(delivered.reported_at)),
        ("Message-ID", delivered.report_id),
        ("MIME-Version", "1.0"),
        (
            "Content-Type",
            f'multipart/report; report-type=feedback-report; boundary="{boundary.decode()}"',
        ),
    ]
    return b"".join(fold(name, value) for name, value in fields), body


def _feedback(delivered: Delivered) -> bytes:
    fields = [
        ("Feedback-Type", "abuse"),
        ("User-Agent", "Posthouse-Simulator/1"),
        ("Version", "1"),
        ("Original-Mail-From", f"<{delivered.to}>"),
        ("Original-Rcpt-To", f"<{delivered.recipient}>"),
        ("Arrival-Date", format_date(delivered.at)),
        ("Reporting-MTA", f"dns; {DOMAIN}"),
        ("Source-IP", _LOOPBACK),
    ]
    return b"".join(fold(name, value) for name, value in fields)


def _part(content_type: str, content: bytes, *, encoding: str = "7bit") -> bytes:
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + content
