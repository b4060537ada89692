"""Read what a notice says about recipients that were not reached.

RFC 3464 first: its fields are meant for programs. Where there are none, what
was found in a notice of another form, with the words that stand beside the
address. A delay is no failure, and success is not reported here at all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from inbound.reading.parsed import FoundBounce, Parsed
from inbound.reported import path_address, typed_addresses
from relay.address import Address
from relay.message.dsn_text import DsnAction
from relay.message.refusals import Reason, find_reason
from relay.replies import SmtpReply

Group: TypeAlias = Mapping[str, Sequence[str]]

MAX_FAILURES = 1000
MAX_FOUND = 100
_LONGEST_DIAGNOSTIC = 500
_LONGEST_WORDS = 500
_SEARCHED = 50_000

_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"[45]\d\d(?=[ -]|\Z)")
# As servers write it: `550 5.1.1`, `550-5.1.1`, `(#5.1.1)`, or in front of all.
_ENHANCED = re.compile(r"(?:\b([45]\d\d)[ -]|#|\A)([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ACTIONS = {
    "failed": DsnAction.FAILED,
    "delayed": DsnAction.DELAYED,
    "delivered": DsnAction.DELIVERED,
    "relayed": DsnAction.RELAYED,
    "expanded": DsnAction.RELAYED,  # a list took it: a success as far as this report goes
}
_ACTION_OF_CLASS = {"2": DsnAction.DELIVERED, "4": DsnAction.DELAYED, "5": DsnAction.FAILED}


@dataclass(frozen=True, slots=True)
class ReportedFailure:
    """One recipient that a notice says was not reached, for good or so far.

    `final` and `original` are what Final-Recipient and Original-Recipient may
    mean; both are empty where the notice names nobody. `status` is
    `5.1.1`, empty where it gives none. `source` is "dsn" for RFC 3464.
    """

    permanent: bool
    final: tuple[Address, ...] = ()
    original: tuple[Address, ...] = ()
    status: str = ""
    diagnostic: str = ""
    remote_mta: str = ""
    reason: Reason = Reason.UNKNOWN
    source: Literal["dsn", "notice"] = "dsn"

    @property
    def address(self) -> str:
        """How the notice calls the recipient; empty where it names nobody."""
        return str(next(iter((*self.final, *self.original)), ""))

    @property
    def reply(self) -> SmtpReply:
        """The far server's last word as a reply, the code made up where the notice has none."""
        code = _CODE.match(self.diagnostic)
        text = self.diagnostic[3:].lstrip(" -") if code else self.diagnostic
        number = int(code[0]) if code else (550 if self.permanent else 450)
        reply = SmtpReply.read(number, text or "reported as undeliverable")
        if reply.enhanced is None and self.status.startswith(str(number)[0]):
            return SmtpReply(number, self.status, reply.text)
        return reply


def read(parsed: Parsed) -> list[ReportedFailure]:
    """The failures and delays that the notice tells of; empty when it is none.

    At most `MAX_FAILURES` of a report's, and `MAX_FOUND` of another notice's.
    """
    groups = list(_recipient_groups(parsed))
    if not groups:
        return [_from_words(found, parsed) for found in parsed.bounces[:MAX_FOUND]]
    told = [group for group in groups if _is_trouble(_action(group))]
    return [_from_group(group) for group in told[:MAX_FAILURES]]


def actions_of(parsed: Parsed) -> tuple[DsnAction, ...]:
    """What a delivery report says became of its recipients, in order; empty when there is no such report."""
    return tuple(action for group in _recipient_groups(parsed) if (action := _action(group)))


def _recipient_groups(parsed: Parsed) -> Iterator[Group]:
    """The groups about recipients: all that say what became of one.

    The first group is about the message, unless its writer forgot the empty line behind it.
    """
    if parsed.report is not None and parsed.report.kind == "delivery-status":
        yield from (group for group in parsed.report.groups if _action(group) is not None)


def _action(group: Group) -> DsnAction | None:
    """RFC 3464 §2.3.3; where a server leaves the action out, the class of the status says the same."""
    words = _first(group, "action").lower().split()
    named = _ACTIONS.get(words[0].strip(".,;:()")) if words else None
    return named or _ACTION_OF_CLASS.get(_status(group)[:1])


def _is_trouble(action: DsnAction | None) -> bool:
    return action in (DsnAction.FAILED, DsnAction.DELAYED)


def _from_group(group: Group) -> ReportedFailure:
    failed = _action(group) is DsnAction.FAILED
    status = _status(group)
    diagnostic = _without_type(_first(group, "diagnostic-code"))[:_LONGEST_DIAGNOSTIC]
    return ReportedFailure(
        permanent=failed,
        final=typed_addresses(_first(group, "final-recipient")),
        original=typed_addresses(_first(group, "original-recipient")),
        status=status,
        diagnostic=diagnostic,
        remote_mta=" ".join(_without_type(_first(group, "remote-mta")).split()[:1])[:255],
        reason=_reason(status, diagnostic) if failed else Reason.UNKNOWN,
    )


def _from_words(found: FoundBounce, parsed: Parsed) -> ReportedFailure:
    words = _words_beside(found.address, parsed)
    address = path_address(found.address)
    enhanced = _ENHANCED.search(words)
    status = _normal(enhanced[2]) if enhanced else ""
    return ReportedFailure(
        permanent=found.permanent,
        final=(address,) if address else (),
        status=status,
        diagnostic=words,
        reason=_reason(status, words) if found.permanent else Reason.UNKNOWN,
        source="notice",
    )


def _words_beside(address: str, parsed: Parsed) -> str:
    """What stands behind the address up to the next empty line or the next address that failed."""
    text = parsed.text[:_SEARCHED].replace("\r\n", "\n")
    at = text.lower().find(address.lower())
    if not address or at < 0:
        return ""
    words = text[at + len(address) :][:_LONGEST_WORDS].partition("\n\n")[0]
    for other in parsed.bounces[:MAX_FOUND]:
        if other.address and other.address.lower() != address.lower():
            words = words.partition(other.address)[0]
    return " ".join(words.split()).lstrip(">:;, -")


def _reason(status: str, diagnostic: str) -> Reason:
    """Why, by the server's own words and by the status of whoever reports; both must blame the mailbox.

    One who only gave up (4.x.x) has not been told that it is not there.
    """
    enhanced = _ENHANCED.search(diagnostic)
    code = _CODE.match(diagnostic)
    classes = {status[:1], code[0][0] if code else "", enhanced[2][0] if enhanced else ""}
    final = "4" not in classes
    by_status = find_reason(status or None, diagnostic, is_permanent=final)
    said = find_reason(_normal(enhanced[2]), diagnostic, is_permanent=final) if enhanced else by_status
    if said in (Reason.UNKNOWN, Reason.NO_SUCH_MAILBOX) and by_status is not Reason.UNKNOWN:
        said = by_status
    return Reason.UNKNOWN if said is Reason.NO_SUCH_MAILBOX and not final else said


def _status(group: Group) -> str:
    found = _STATUS.match(_first(group, "status"))
    return ".".join(str(int(part)) for part in found.groups()) if found else ""


def _normal(enhanced: str) -> str:
    return ".".join(str(int(part)) for part in enhanced.split("."))


def _without_type(value: str) -> str:
    """`smtp; 550 …` without its type; text before the first semicolon that is no type stays."""
    kind, semicolon, rest = value.partition(";")
    is_typed = semicolon and kind.strip().replace("-", "").isalnum() and " " not in kind.strip()
    return " ".join((rest if is_typed else value).split())


def _first(group: Group, name: str) -> str:
    return next(iter(group.get(name, ())), "")
