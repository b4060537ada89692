"""Complaints: a provider's report that somebody marked our mail as spam (ARF, RFC 5965).

The report is matched through a bounce address that we signed, wherever in it
that stands; who reports proves nothing, and neither does an Original-Envelope-Id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from inbound.objections import object_to
from inbound.reading.parsed import Parsed
from inbound.reported import Recorded, Roster, path_address
from relay.address import Address
from relay.clock import Clock
from relay.events.kinds import EventKind
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.suppressions.reasons import SuppressionReason
from relay.tenants import bounce_address

Group: TypeAlias = Mapping[str, Sequence[str]]

# The feedback types by which a person says "I do not want this" (RFC 5965 §7.3, and `opt-out` of its drafts).
# not-spam says the contrary; auth-failure, virus and other are findings of programs.
UNWANTED: Final = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})

MAX_RECIPIENTS = 100
MAX_CANDIDATES = 20
_LONGEST_WORD = 200


@dataclass(frozen=True, slots=True)
class Complaint:
    """One report. `recipients` are those it names (Original-Rcpt-To).

    `names_recipients` stays true for names that are no addresses: a provider
    that blackens them means somebody all the same.
    """

    feedback_type: str
    user_agent: str = ""
    recipients: tuple[Address, ...] = ()
    names_recipients: bool = False
    original_mail_from: Address | None = None
    source_ip: str = ""

    @property
    def is_unwanted(self) -> bool:
        """Whether it says that somebody does not want our mail; other feedback changes nothing."""
        return self.feedback_type in UNWANTED


def read(parsed: Parsed) -> Complaint | None:
    """The feedback report in this message, None when there is none."""
    group = _report_group(parsed)
    if group is None:
        return None
    names = [name for name in group.get("original-rcpt-to", ()) if name.strip(" \t<>")][:MAX_RECIPIENTS]
    addresses = (path_address(name) for name in names)
    return Complaint(
        feedback_type=_first(group, "feedback-type").lower(),
        user_agent=_first(group, "user-agent"),
        recipients=tuple(dict.fromkeys(address for address in addresses if address is not None)),
        names_recipients=bool(names),
        original_mail_from=path_address(_first(group, "original-mail-from")),
        source_ip=_first(group, "source-ip"),
    )


def message_ids_in(parsed: Parsed, recipient: Address, secret: bytes) -> list[str]:
    """The ids of our messages that a bounce or complaint is about, by the bounce addresses we signed.

    Looked for in the address that it came to, in Original-Mail-From, and in
    the Return-Path of the returned message, in this order. A forged address
    gives no id.
    """
    addresses = [recipient, *_signed_candidates(parsed)]
    ids = (bounce_address.decode(address, secret) for address in addresses)
    return list(dict.fromkeys(id_ for id_ in ids if id_ is not None))


async def record_complaint(tx: Transaction, clock: Clock, message: Message, complaint: Complaint) -> Recorded:
    """Write `message.complained` for each recipient that complains, and write to none of them again.

    Only recipients of `message` whom an attempt was made to reach count; a
    report without names means the only recipient. A report that comes again,
    and feedback that is no complaint, changes nothing.
    """
    if not complaint.is_unwanted or message.direction != "out":
        return Recorded()
    rows = await queue.of_message(tx, message.id)
    roster = Roster(rows)
    named = _complaining(rows, roster, complaint)
    data = {
        "source": "arf",
        "feedback_type": complaint.feedback_type,
        "user_agent": complaint.user_agent or None,
    }
    recorded = await object_to(
        tx, clock, named, EventKind.MESSAGE_COMPLAINED, SuppressionReason.COMPLAINT, data
    )
    return replace(recorded, unmatched=_strangers(roster, complaint))


def _complaining(
    rows: Sequence[QueuedRecipient], roster: Roster, complaint: Complaint
) -> list[QueuedRecipient]:
    if complaint.names_recipients:
        named = [row for address in complaint.recipients for row in roster.named([address])]
    else:
        named = list(rows) if len(rows) == 1 else []
    return list({row.id: row for row in named if row.attempts > 0}.values())


def _strangers(roster: Roster, complaint: Complaint) -> tuple[str, ...]:
    return tuple(str(address) for address in complaint.recipients if not roster.named([address]))


def _report_group(parsed: Parsed) -> Group | None:
    report = parsed.report
    if report is None or report.kind != "feedback-report":
        return None
    return next((group for group in report.groups if _first(group, "feedback-type")), None)


def _signed_candidates(parsed: Parsed) -> Iterator[Address]:
    group = _report_group(parsed) or {}
    original = parsed.report.original if parsed.report else {}
    for value in (*group.get("original-mail-from", ()), *original.get("return-path", ()))[:MAX_CANDIDATES]:
        address = path_address(value)
        if address is not None:
            yield address


def _first(group: Group, name: str) -> str:
    return next(iter(group.get(name, ())), "").strip()[:_LONGEST_WORD]
