"""Tell a sender what became of a message: delivery status notifications (RFC 3464, RFC 6522, RFC 6533).

Three parts: one for people, one for programs, and the message that it is
about, whole or its header only. A notice is small whatever it is about, so
that nobody can be flooded through us; only a sender who asked for the full
message of a failure (RET=FULL, RFC 3461 §4.3) gets more than 50 KB.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.address import Address
from relay.message.dsn_text import DsnAction, DsnRecipient, explain, subject_of
from relay.message.headers import Header, MalformedHeader, encode_words, fold, format_date
from relay.message.parts import choose_boundary
from relay.message.transfer import to_quoted_printable
from relay.message.xtext import envelope_id, original_recipient, xtext_decode, xtext_encode

__all__ = [
    "MAX_FULL_SIZE",
    "MAX_RECIPIENTS",
    "Dsn",
    "DsnAction",
    "DsnRecipient",
    "build_dsn",
    "in_parts",
    "returns_full",
    "xtext_decode",
    "xtext_encode",
]

MAX_RECIPIENTS = 20
MAX_FULL_SIZE = 1024 * 1024
MAX_SIZE = 50_000

_LARGEST_HEADER = 16_384
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")
_LONG_LINE = re.compile(rb"[^\n]{999}")


@dataclass(frozen=True, slots=True)
class Dsn:
    """What a notice says. `to` is the reverse path of the message; the notice itself has the null path.

    `message_id` is the notice's own, in angle brackets. `envid` and `ret` are
    as submitted. `original_header` is the message's header block;
    `original_body` is needed only where `returns_full` says so.
    """

    reporting_mta: str
    to: Address
    message_id: str
    at: datetime
    arrived_at: datetime
    recipients: tuple[DsnRecipient, ...]
    original_header: bytes
    original_body: bytes | None = None
    envid: str | None = None
    ret: str | None = None


def in_parts(recipients: Sequence[DsnRecipient]) -> Iterator[tuple[DsnRecipient, ...]]:
    """As many recipients at a time as one notice may tell about."""
    for start in range(0, len(recipients), MAX_RECIPIENTS):
        yield tuple(recipients[start : start + MAX_RECIPIENTS])


def returns_full(ret: str | None, recipients: Sequence[DsnRecipient], size: int) -> bool:
    """Whether the body goes back: asked for, about a failure (RFC 3461 §4.3), and within MAX_FULL_SIZE."""
    failed = any(recipient.action is DsnAction.FAILED for recipient in recipients)
    return ret == "FULL" and failed and size <= MAX_FULL_SIZE


def build_dsn(dsn: Dsn) -> tuple[bytes, bytes]:
    """The header block and the body of the notice, CRLF line ends throughout.

    At most 50 000 octets unless the full message goes back. Has octets beyond
    ASCII only where addresses or the returned message have. Raises ValueError
    for no recipient or more than MAX_RECIPIENTS.
    """
    if not 1 <= len(dsn.recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"a notice tells about 1 to {MAX_RECIPIENTS} recipients, not {len(dsn.recipients)}")
    original = _readable(dsn.original_header)
    parts = [_text_part(explain(dsn.reporting_mta, dsn.recipients, original)), _status_part(dsn)]
    parts.append(_original_part(dsn, room=MAX_SIZE - sum(map(len, parts)) - 2048))
    boundary = choose_boundary(dsn.message_id.encode(), parts)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
    return _header(dsn, original, boundary, is_8bit=not body.isascii()), body


def _header(dsn: Dsn, original: Header, boundary: bytes, *, is_8bit: bool) -> bytes:
    content_type = f'multipart/report; report-type=delivery-status; boundary="{boundary.decode()}"'
    fields = [
        ("From", f"Mail Delivery System <MAILER-DAEMON@{dsn.reporting_mta}>"),
        ("To", f"<{dsn.to}>"),
        ("Subject", encode_words(subject_of(dsn.recipients))),
        ("Date", format_date(dsn.at)),
        ("Message-ID", dsn.message_id),
        ("Auto-Submitted", "auto-replied"),
        ("MIME-Version", "1.0"),
        ("Content-Type", content_type),
        ("Content-Transfer-Encoding", "8bit" if is_8bit else "7bit"),
    ]
    about = original.first("Message-ID")
    if about and _MESSAGE_ID.match(about):
        fields += [("In-Reply-To", about), ("References", about)]
    return b"".join(fold(name, value) for name, value in fields)


def _text_part(text: str) -> bytes:
    if text.isascii():
        return _part("text/plain; charset=us-ascii", "7bit", text.encode(), "Notification")
    return _part(
        "text/plain; charset=utf-8", "quoted-printable", to_quoted_printable(text.encode()), "Notification"
    )


def _status_part(dsn: Dsn) -> bytes:
    groups = [_message_fields(dsn), *(_recipient_fields(recipient) for recipient in dsn.recipients)]
    status = b"\r\n".join(b"".join(fold(name, value) for name, value in group if value) for group in groups)
    if status.isascii():
        return _part("message/delivery-status", "7bit", status, "Delivery report")
    return _part("message/global-delivery-status", "8bit", status, "Delivery report")


def _message_fields(dsn: Dsn) -> Iterator[tuple[str, str | None]]:
    yield "Reporting-MTA", f"dns; {dsn.reporting_mta}"
    yield "Original-Envelope-Id", envelope_id(dsn.envid) if dsn.envid else None
    yield "Arrival-Date", format_date(dsn.arrived_at)


def _recipient_fields(recipient: DsnRecipient) -> Iterator[tuple[str, str | None]]:
    """RFC 3464 §2.3; a diagnosis of our own is typed as such, not as what an SMTP server said."""
    utf8 = recipient.address.needs_utf8
    yield "Original-Recipient", original_recipient(recipient.orcpt, utf8=utf8) if recipient.orcpt else None
    yield "Final-Recipient", f"{'utf-8' if utf8 else 'rfc822'}; {recipient.address}"
    yield "Action", recipient.action.value
    yield "Status", recipient.status_code
    yield "Remote-MTA", f"dns; {recipient.said_by}" if recipient.said_by else None
    yield "Diagnostic-Code", f"{'smtp' if recipient.said_by else 'x-posthouse'}; {recipient.diagnostic}"
    yield "Last-Attempt-Date", format_date(recipient.last_attempt_at) if recipient.last_attempt_at else None
    if recipient.action is DsnAction.DELAYED and recipient.retry_until:
        yield "Will-Retry-Until", format_date(recipient.retry_until)


def _original_part(dsn: Dsn, room: int) -> bytes:
    header, body = dsn.original_header, dsn.original_body
    if body is not None and returns_full(dsn.ret, dsn.recipients, len(header) + len(body)):
        full = header + b"\r\n" + body
        if not _LONG_LINE.search(full):
            kind = "message/global" if _is_utf8(header) else "message/rfc822"
            return _part(kind, "7bit" if full.isascii() else "8bit", full, "Message")
    header = _first_fields(header, min(room, _LARGEST_HEADER))
    if _is_utf8(header):
        return _part("message/global-headers", "8bit", header, "Header of the message")
    if header.isascii():
        return _part("text/rfc822-headers", "7bit", header, "Header of the message")
    return _part(
        "text/rfc822-headers", "quoted-printable", to_quoted_printable(header), "Header of the message"
    )


def _part(content_type: str, encoding: str, content: bytes, description: str) -> bytes:
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return f"{head}Content-Description: {description}\r\n\r\n".encode("ascii") + content


def _readable(block: bytes) -> Header:
    try:
        return Header.parse(block)
    except MalformedHeader:
        return Header()


def _first_fields(block: bytes, room: int) -> bytes:
    """The block, or as many of its fields from the top as there is room for."""
    if len(block) <= room:
        return block
    kept = b""
    for field in _readable(block).fields:
        if len(kept) + len(field.raw) > room:
            break
        kept += field.raw
    return kept


def _is_utf8(octets: bytes) -> bool:
    """Beyond ASCII, and in UTF-8 as message/global wants it."""
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not octets.isascii()
