"""What became of an attempt: outcome → state, event and suppression, in one transaction.

An outcome is written only under the lease it belongs to, so a node that was
paused past its lease cannot overwrite what another has done since.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.delivery.outcome import Fate, Outcome, Phase
from relay.events import log
from relay.events.kinds import EventKind
from relay.queue import moves
from relay.queue.records import QueuedRecipient
from relay.queue.retry import wait_before_next
from relay.queue.state import Happening
from relay.store.database import Database, Transaction
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import calls_for_suppression
from relay.telemetry import Metrics

logger = logging.getLogger("posthouse.delivery")

_TRANSFERS = frozenset({Phase.MAIL, Phase.RECIPIENT, Phase.DATA, Phase.CONTENT, Phase.FINAL_DOT})


@dataclass(frozen=True, slots=True)
class Settler:
    """Writes outcomes down, with the retry schedule and lifetime of the configuration."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig
    rng: random.Random
    metrics: Metrics

    async def settle(self, pairs: Sequence[tuple[QueuedRecipient, Outcome]]) -> bool:
        """Move every recipient where its outcome leads; all of them or none.

        Returns whether the sender may have to be told. Raises StoreUnavailable
        while the store cannot be written; the caller keeps the outcomes and
        tries again, because they happened.
        """

        async def work(tx: Transaction) -> list[bool]:
            return [await self._settle_one(tx, recipient, outcome) for recipient, outcome in pairs]

        # Each change says which lease it needs; that two bounces suppress one address is no contradiction.
        calls_for_notice = await self.db.transact(work, unhurried=True, side_by_side=True)
        self._report(pairs)
        return any(calls_for_notice)

    def _report(self, pairs: Sequence[tuple[QueuedRecipient, Outcome]]) -> None:
        now = to_us(self.clock.now())
        for recipient, outcome in pairs:
            where = f" by {outcome.mx}" if outcome.mx else ""
            logger.info(
                "%s to %s %s%s: %s",
                recipient.message_id,
                recipient.address,
                outcome.fate.value,
                where,
                outcome.reply,
            )
            if outcome.fate is Fate.DELIVERED and (released_at := self._released_at(recipient)) is not None:
                self.metrics.delivery_took((now - released_at) / 1e6)
        fates = [outcome.fate for _, outcome in pairs]
        self.metrics.delivered(fates.count(Fate.DELIVERED))
        self.metrics.deferred(fates.count(Fate.DEFERRED))
        self.metrics.bounced(fates.count(Fate.BOUNCED))

    async def _settle_one(self, tx: Transaction, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        happening = self._happening(recipient, outcome)
        due_at = self._next_attempt(recipient) if happening is Happening.PUT_OFF else None
        notice_due = happening is Happening.PUT_OFF and self._delay_notice_due(recipient)
        if outcome.phase in _TRANSFERS:
            await self._record_transfer(tx, recipient, outcome)
        moved = await moves.move(
            tx,
            self.clock,
            recipient,
            happening,
            due_at=due_at,
            reason=None if outcome.fate is Fate.DELIVERED else outcome.reason.value,
            mx=outcome.mx,
            reply=str(outcome.reply),
            delay_noticed=notice_due,
            data=self._event_data(recipient, outcome, due_at, notice_due=notice_due),
        )
        refused = moved and happening is Happening.REJECTED
        if refused and calls_for_suppression(outcome.reason, is_local=recipient.is_local):
            await self._suppress(tx, recipient)
        ended_badly = happening in (Happening.REJECTED, Happening.GIVEN_UP)
        return ended_badly or notice_due or _success_notice_due(recipient, outcome)

    def _happening(self, recipient: QueuedRecipient, outcome: Outcome) -> Happening:
        if outcome.fate is Fate.DELIVERED:
            return Happening.ACCEPTED
        if outcome.fate is Fate.BOUNCED:
            return Happening.REJECTED
        return Happening.GIVEN_UP if self._has_expired(recipient) else Happening.PUT_OFF

    def _has_expired(self, recipient: QueuedRecipient) -> bool:
        return recipient.expires_at is not None and to_us(self.clock.now()) >= recipient.expires_at

    def _next_attempt(self, recipient: QueuedRecipient) -> int:
        wait = wait_before_next(self.delivery.retry_schedule, recipient.attempts, self.rng)
        due_at = to_us(self.clock.now()) + span_us(wait)
        # The last attempt falls on the end of its life, so that it is not given up untried.
        return min(due_at, recipient.expires_at) if recipient.expires_at else due_at

    def _delay_notice_due(self, recipient: QueuedRecipient) -> bool:
        released_at = self._released_at(recipient)
        if recipient.delay_noticed or released_at is None:
            return False
        return to_us(self.clock.now()) - released_at >= span_us(self.delivery.delay_notice_after)

    def _released_at(self, recipient: QueuedRecipient) -> int | None:
        """When it began to travel: its life is counted from there."""
        if recipient.expires_at is None:
            return None
        return recipient.expires_at - span_us(self.delivery.expire_after)

    async def _record_transfer(self, tx: Transaction, recipient: QueuedRecipient, outcome: Outcome) -> None:
        await log.append(
            tx,
            self.clock,
            EventKind.MESSAGE_SENT,
            tenant_id=recipient.tenant_id,
            mailbox_id=recipient.mailbox_id,
            message_id=recipient.message_id,
            recipient_id=recipient.id,
            data={"recipient": str(recipient.address), "attempt": recipient.attempts, "mx": outcome.mx},
        )

    async def _suppress(self, tx: Transaction, recipient: QueuedRecipient) -> None:
        await suppressions.add(
            tx,
            self.clock,
            tenant_id=recipient.tenant_id,
            address=recipient.address,
            reason="bounce",
            source_message_id=recipient.message_id,
        )

    def _event_data(
        self, recipient: QueuedRecipient, outcome: Outcome, due_at: int | None, *, notice_due: bool
    ) -> dict[str, Any]:
        data: dict[str, Any] = {
            "attempt": recipient.attempts,
            "scope": outcome.scope.value,
            "reason": outcome.reason.value,
            "reply": str(outcome.reply),
            "mx": outcome.mx,
            "ip": outcome.ip,
            "tls": outcome.tls,
            "dialogue": list(outcome.dialogue),
        }
        if due_at is not None:
            data["next_attempt_at"] = due_at
        if notice_due:
            data["delay_notice"] = True
        if outcome.ambiguous:
            data["ambiguous"] = True
        if outcome.passed_dsn_on:
            data["passed_dsn_on"] = True
        if _success_notice_due(recipient, outcome):
            data["success_notice"] = True
        return data


def _success_notice_due(recipient: QueuedRecipient, outcome: Outcome) -> bool:
    """Who was given the sender's wishes writes the notice of success; else we do (RFC 3461 §5.2.2)."""
    wished = recipient.notify is not None and "SUCCESS" in recipient.notify
    return wished and outcome.fate is Fate.DELIVERED and not outcome.passed_dsn_on
