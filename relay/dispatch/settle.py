"""What became of an attempt: outcome → state, event and suppression, in one transaction.

An outcome is written only under the lease it belongs to, so a node that was
paused past its lease cannot overwrite what another has done since.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.clock import Clock, span_us, to_us
from relay.config import DeliveryConfig
from relay.delivery.outcome import Fate, Outcome, Phase
from relay.errors import StoreUnavailable
from relay.events import log
from relay.events.kinds import EventKind
from relay.queue import moves
from relay.queue.moves import Move
from relay.queue.records import QueuedRecipient
from relay.queue.retry import wait_before_next
from relay.queue.state import Happening
from relay.store.database import Database, Transaction
from relay.store.lots import Lots
from relay.suppressions import records as suppressions
from relay.suppressions.reasons import calls_for_suppression
from relay.telemetry.metrics import Metrics

logger = logging.getLogger("posthouse.delivery")

# Jobs whose outcomes share a transaction.
JOBS_TOGETHER = 100
_TRANSFERS = frozenset({Phase.MAIL, Phase.RECIPIENT, Phase.DATA, Phase.CONTENT, Phase.FINAL_DOT})


Pair = tuple[QueuedRecipient, Outcome]


@dataclass(slots=True)
class Settler:
    """Writes outcomes down, with the retry schedule and lifetime of the configuration."""

    db: Database
    clock: Clock
    delivery: DeliveryConfig
    rng: random.Random
    metrics: Metrics
    _lots: Lots[Sequence[Pair], bool] = field(init=False)

    def __post_init__(self) -> None:
        self._lots = Lots(self._settle_lot, JOBS_TOGETHER)

    async def settle(self, pairs: Sequence[Pair]) -> bool:
        """Move every recipient where its outcome leads; all of them or none.

        Returns whether the sender may have to be told. Raises StoreUnavailable
        while the store cannot be written; the caller keeps the outcomes and
        tries again, because they happened.
        """
        # SQLite's writer has groups of its own.
        if self.db.engine == "sqlite":
            calls_for_notice = await self._settle_job(pairs)
        else:
            calls_for_notice = await self._lots.join(pairs)
        self._report(pairs)
        return calls_for_notice

    async def _settle_job(self, pairs: Sequence[Pair]) -> bool:
        async def work(tx: Transaction) -> list[bool]:
            return [await self._settle_one(tx, recipient, outcome) for recipient, outcome in pairs]

        # Each change says which lease it needs; that two bounces suppress one address is no contradiction.
        return any(await self.db.transact(work, unhurried=True, side_by_side=True))

    async def _settle_lot(self, jobs: Sequence[Sequence[Pair]]) -> list[bool | BaseException]:
        """Several jobs at once; where one of them is in the way, each by itself."""

        async def work(tx: Transaction) -> list[bool]:
            return await self._settle_together(tx, [pair for pairs in jobs for pair in pairs])

        try:
            calls = iter(await self.db.transact(work, side_by_side=True))
        except StoreUnavailable:
            raise
        except Exception:
            logger.exception("outcomes could not be written together; each is written by itself")
            return await asyncio.gather(*map(self._settle_job, jobs), return_exceptions=True)
        return [any([next(calls) for _ in pairs]) for pairs in jobs]

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
            if recipient.is_trial:
                continue
            if outcome.fate is Fate.DELIVERED and (released_at := self._released_at(recipient)) is not None:
                self.metrics.delivery_took((now - released_at) / 1e6)
        fates = [outcome.fate for recipient, outcome in pairs if not recipient.is_trial]
        self.metrics.delivered(fates.count(Fate.DELIVERED))
        self.metrics.deferred(fates.count(Fate.DEFERRED))
        self.metrics.bounced(fates.count(Fate.BOUNCED))

    async def _settle_one(self, tx: Transaction, recipient: QueuedRecipient, outcome: Outcome) -> bool:
        step = self._step(recipient, outcome)
        if outcome.phase in _TRANSFERS:
            await self._record_transfer(tx, recipient, outcome)
        if await moves.make(tx, self.clock, step):
            await self._learn(tx, step, outcome)
        return _calls_for_notice(step, outcome)

    async def _settle_together(self, tx: Transaction, pairs: Sequence[Pair]) -> list[bool]:
        """The same in few statements, however many there are."""
        steps = [self._step(recipient, outcome) for recipient, outcome in pairs]
        moved = await moves.move_together(tx, self.clock, steps)
        for (recipient, outcome), step, is_moved in zip(pairs, steps, moved, strict=True):
            if outcome.phase in _TRANSFERS:
                await self._record_transfer(tx, recipient, outcome)
            if is_moved:
                await moves.tell(tx, self.clock, step)
        for (_, outcome), step, is_moved in zip(pairs, steps, moved, strict=True):
            if is_moved:
                await self._learn(tx, step, outcome)
        return [_calls_for_notice(step, outcome) for (_, outcome), step in zip(pairs, steps, strict=True)]

    def _step(self, recipient: QueuedRecipient, outcome: Outcome) -> Move:
        happening, due_at = self.decide(recipient, outcome)
        notice_due = happening is Happening.PUT_OFF and self._delay_notice_due(recipient)
        return Move(
            recipient,
            happening,
            due_at=due_at,
            reason=None if outcome.fate is Fate.DELIVERED else outcome.reason.value,
            mx=outcome.mx,
            reply=str(outcome.reply),
            delay_noticed=notice_due,
            data=self._event_data(recipient, outcome, due_at, notice_due=notice_due),
        )

    async def _learn(self, tx: Transaction, step: Move, outcome: Outcome) -> None:
        """An address that was refused for good may be one not to write to again; trials teach nothing."""
        is_local = step.recipient.is_local
        if step.recipient.is_trial:
            return
        if step.happening is Happening.REJECTED and calls_for_suppression(outcome.reason, is_local=is_local):
            await self._suppress(tx, step.recipient)

    def decide(self, recipient: QueuedRecipient, outcome: Outcome) -> tuple[Happening, int | None]:
        """What an outcome means for its recipient, and when that is tried again, if it is (µs)."""
        happening = self._happening(recipient, outcome)
        return happening, self._next_attempt(recipient) if happening is Happening.PUT_OFF else None

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
            is_test=recipient.is_trial,
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


def _calls_for_notice(step: Move, outcome: Outcome) -> bool:
    ended_badly = step.happening in (Happening.REJECTED, Happening.GIVEN_UP)
    return ended_badly or step.delay_noticed or _success_notice_due(step.recipient, outcome)


def _success_notice_due(recipient: QueuedRecipient, outcome: Outcome) -> bool:
    """Who was given the sender's wishes writes the notice of success; else we do (RFC 3461 §5.2.2)."""
    wished = recipient.notify is not None and "SUCCESS" in recipient.notify
    return wished and outcome.fate is Fate.DELIVERED and not outcome.passed_dsn_on
