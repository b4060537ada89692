"""Mail as the reading child would have read it, written down by hand."""

from collections.abc import Iterable

from inbound.reading.parsed import FoundBounce, Parsed, Report
from relay.message.person import Person


def fields_of(block: str) -> dict[str, list[str]]:
    """The fields of one group, `Name: value` on each line; a line that begins with a space goes on."""
    fields: dict[str, list[str]] = {}
    last: list[str] = []
    for line in filter(str.strip, block.splitlines()):
        if line.startswith("  "):
            last[-1] += " " + line.strip()
        else:
            name, _, value = line.strip().partition(":")
            last = fields.setdefault(name.lower(), [])
            last.append(value.strip())
    return fields


def mail(
    subject: str = "Hello",
    text: str = "Hello, this is a letter.\n",
    sender: str = "ann@far.example",
    fields: str = "",
    report: Report | None = None,
    bounces: Iterable[tuple[str, bool]] = (),
) -> Parsed:
    return Parsed(
        sender=(Person(sender),),
        subject=subject,
        text=text,
        fields=fields_of(fields),
        report=report,
        bounces=tuple(FoundBounce(address, permanent) for address, permanent in bounces),
    )


def dsn(status: str, *, original: str = "", sender: str = "MAILER-DAEMON@far.example") -> Parsed:
    """A delivery report; its groups are parted by empty lines."""
    groups = tuple(fields_of(group) for group in status.split("\n\n") if group.strip())
    return mail(
        subject="Undelivered Mail Returned to Sender",
        sender=sender,
        fields='Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        report=Report("delivery-status", groups, fields_of(original)),
    )


def arf(feedback: str, *, original: str = "") -> Parsed:
    return mail(
        subject="Email feedback report",
        sender="feedback@isp.example",
        fields="Content-Type: multipart/report; report-type=feedback-report; boundary=b",
        report=Report("feedback-report", (fields_of(feedback),), fields_of(original)),
    )
