"""The rows and events of one accepted message, inside the transaction that takes it."""

from collections.abc import Sequence
from typing import Any

from relay.clock import Clock, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.guards import approvals
from relay.ids import new_number
from relay.message.envelope import EnvelopeRecipient
from relay.queue.records import QueuedRecipient
from relay.queue.rests import TRIALS
from relay.queue.state import State
from relay.spool.records import Message
from relay.store.database import Transaction
from relay.submission.booking import Slot
from relay.submission.guarding import Verdict
from relay.submission.offer import Offer
from relay.suppressions.reasons import SuppressionReason


def recipient_row(
    clock: Clock,
    offer: Offer,
    message: Message,
    slot: Slot,
    position: int,
    wanted: EnvelopeRecipient,
    suppressed: SuppressionReason | None,
    lifetime_us: int,
) -> QueuedRecipient:
    """One recipient in its first state: due now, scheduled, held for approval, or suppressed."""
    release_at = to_us(slot.release_at) if slot.release_at else message.created_at
    waits = State.HELD if slot.is_held else State.SCHEDULED if slot.release_at else State.QUEUED
    return QueuedRecipient(
        id=new_number(clock),
        tenant_id=message.tenant_id,
        message_id=message.id,
        mailbox_id=message.mailbox_id,
        position=position,
        address=wanted.address,
        destination=TRIALS if message.is_test else wanted.address.domain,
        is_local=wanted.address in offer.local and not message.is_test,
        state=State.SUPPRESSED if suppressed else waits,
        reason=suppressed.value if suppressed else approvals.HELD if slot.is_held else None,
        release_day=None if suppressed else slot.day,
        due_at=None if suppressed or slot.is_held else release_at,
        notify=wanted.notify,
        orcpt=wanted.orcpt,
        expires_at=release_at + lifetime_us,
        settled_at=message.created_at if suppressed else None,
    )


async def tell(
    tx: Transaction,
    clock: Clock,
    offer: Offer,
    message: Message,
    slot: Slot,
    recipients: Sequence[QueuedRecipient],
    verdict: Verdict,
    approval_id: str | None,
) -> None:
    """The events of an acceptance: accepted, scheduled if it waits; held or suppressed for each recipient."""
    about: dict[str, Any] = {
        "tenant_id": message.tenant_id,
        "mailbox_id": message.mailbox_id,
        "message_id": message.id,
        "is_test": message.is_test,
    }
    data = _accepted_data(offer, message, slot, len(recipients))
    if verdict.told:
        data["guards"] = verdict.told
    await log.append(tx, clock, EventKind.MESSAGE_ACCEPTED, data=data, **about)
    if slot.release_at is not None and not slot.is_held:
        data = {"release_at": to_us(slot.release_at), "why": slot.why}
        await log.append(tx, clock, EventKind.MESSAGE_SCHEDULED, data=data, **about)
    for recipient in recipients:
        if recipient.state is State.HELD:
            data = {"recipient": str(recipient.address), "reason": approvals.HELD, "approval_id": approval_id}
            await log.append(tx, clock, EventKind.MESSAGE_HELD, recipient_id=recipient.id, data=data, **about)
        if recipient.state is State.SUPPRESSED:
            data = {"recipient": str(recipient.address), "reason": recipient.reason}
            await log.append(
                tx, clock, EventKind.MESSAGE_SUPPRESSED, recipient_id=recipient.id, data=data, **about
            )


def _accepted_data(offer: Offer, message: Message, slot: Slot, recipients: int) -> dict[str, Any]:
    origin = offer.draft.origin
    return {
        "source": origin.source,
        "login": origin.login,
        "client": origin.client,
        "helo": origin.helo,
        "protocol": origin.protocol,
        "tls": origin.tls,
        "session": origin.session_id,
        "reverse_path": str(message.reverse_path),
        "recipients": recipients,
        "size": message.size,
        "tags": message.tags,
        "metadata": message.metadata,
        **_made_from(message),
        "line_ends_fixed": offer.draft.content.line_ends_fixed,
        "signing_domain": message.signing_domain,
        "allowance_day": slot.day,
        "allowance": slot.why,
    }


def _made_from(message: Message) -> dict[str, str]:
    """What a program said of it; most mail says nothing."""
    said = {
        "stream": message.stream,
        "batch_id": message.batch_id,
        "template_id": message.template_id,
        "brand_id": message.brand_id,
    }
    return {name: value for name, value in said.items() if value is not None}
