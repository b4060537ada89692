"""What somebody answered to the mail that asks for an approval: recorded here, decided by `relay.approvals`.

An answer is no letter of the inbox: who sent what waits could read there the
address that is proof of having been asked. Its words stand in the event.
"""

import re
from dataclasses import dataclass
from typing import Any

from inbound.opening import Opened, author_of
from relay.address import Address
from relay.clock import Clock
from relay.events import log
from relay.events.kinds import EventKind
from relay.guards import approvals
from relay.guards.approvals import Decision
from relay.message.subjects import is_forward
from relay.spool import records as spool
from relay.store.database import Transaction
from relay.tenants import approval_address

WORDS_KEPT = 500
# A word alone: "no problem, go ahead" and "yes, but" are for a person to decide, and quotes are ours.
_WORDS: tuple[tuple[Decision, re.Pattern[str]], ...] = (
    ("approved", re.compile(r"[\"'*_]*(?:approved?|yes)[\"'*_.!]*", re.IGNORECASE)),
    ("rejected", re.compile(r"[\"'*_]*(?:reject(?:ed)?|no)[\"'*_.!]*", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Said:
    """The decision, None where the first line is none; `reason` is what stands below it."""

    decision: Decision | None
    reason: str = ""


def held_message_of(recipient: Address, secret: bytes) -> str | None:
    """The message whose approval is answered at this address; None for every other address."""
    return approval_address.decode(recipient, secret)


def read_answer(text: str) -> Said:
    """What the new text of an answer decides."""
    lines = [line.strip() for line in text.strip().splitlines()]
    first, rest = (lines[0], "\n".join(lines[1:]).strip()) if lines else ("", "")
    for decision, words in _WORDS:
        if words.fullmatch(first):
            return Said(decision, rest[:WORDS_KEPT] if decision == "rejected" else "")
    return Said(None)


async def record_answer(tx: Transaction, clock: Clock, opened: Opened, message_id: str) -> None:
    """Write `approval.answered`, and keep nothing else of the answer."""
    approval = await approvals.of_message(tx, message_id)
    if approval is not None:
        await log.append(
            tx,
            clock,
            EventKind.APPROVAL_ANSWERED,
            tenant_id=approval.tenant_id,
            mailbox_id=approval.mailbox_id,
            message_id=message_id,
            is_test=approval.is_test,
            data={"approval_id": approval.id, **_heard(opened)},
        )
    await spool.forget(tx, [opened.message.id])


def _heard(opened: Opened) -> dict[str, Any]:
    """What the answer says, and whether its author can be believed."""
    author = author_of(opened.parsed)
    text = _without_proof(opened.text.extracted_text, opened.arrival.recipient)
    said = read_answer(text)
    is_theirs = opened.authentication.is_authentic and not opened.classified.automatic
    # Somebody's forward of an answer is not that answer.
    counts = is_theirs and opened.standing == "accepted" and not is_forward(opened.parsed.subject)
    return {
        "from": author.key if author else None,
        "authentic": opened.authentication.is_authentic,
        "automatic": opened.classified.automatic,
        "counts": counts and author is not None,
        "decision": said.decision,
        "reason": said.reason or None,
        "text": text[:WORDS_KEPT],
    }


def _without_proof(text: str, recipient: Address) -> str:
    """The words without the signed address: a quote that was not told apart may name it."""
    return re.sub(re.escape(recipient.local_part), "(…)", text, flags=re.IGNORECASE)
