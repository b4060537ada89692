"""One job from claim to settled outcome: load, make ready, attempt, write down."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from relay.delivery.agent import Agent, AgentLost, DeliveryFailed, signed
from relay.delivery.classify import classify
from relay.delivery.consignment import Consignment
from relay.delivery.outcome import Fate, Outcome, Phase, Reason, Scope
from relay.delivery.parcel import BodyBytes, ParcelRecipient
from relay.dispatch.jobs import Job
from relay.dispatch.lanes import Kept, Lane
from relay.dispatch.outage import Outage
from relay.dispatch.settle import Settler
from relay.dispatch.wire import Outfitter
from relay.errors import StoreUnavailable
from relay.failpoints import ARMED, reach
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply
from relay.signing.signer import Signer
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Database

logger = logging.getLogger("posthouse.dispatch")

OUR_FAULT = SmtpReply(451, "4.3.0", "Temporary failure on our side")
NO_SIMULATOR = SmtpReply(451, "4.3.2", "There is no simulator here for test mail")
SANDBOX = "sandbox"
SETTLE_AGAIN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Carried:
    """What the dispatcher learns of a job: nobody could be reached, or something of it is due again later."""

    outage: Outage | None = None
    is_due_again: bool = False


class LocalDelivery(Protocol):
    """Mail for domains that we receive for, handed over in process."""

    async def deliver(self, envelope: Envelope, header: bytes, body: BodyBytes) -> list[SmtpReply]:
        """Take the message into the recipients' mailboxes; durable when it returns.

        One reply for each recipient of `envelope`, in its order, as an MX
        would give: 2xx taken, 4xx later, 5xx never.
        """
        ...


@dataclass(slots=True)
class Carrier:
    """Carries jobs; knows the store and whom to send, but not the queue's order.

    `signer` signs what stays in the house, as `agent` signs what leaves it.
    `trials` delivers test mail to the simulator, and to nobody else; without it such
    mail waits. Who listens to what becomes of it is told by `trials_settled`.
    """

    db: Database
    outfitter: Outfitter
    agent: Agent
    signer: Signer
    local: LocalDelivery
    settler: Settler
    notices_due: Callable[[], None]
    trials: Agent | None = None
    trials_settled: Callable[[], None] = lambda: None

    async def carry(self, lane: Lane, job: Job, kept: Kept) -> Carried:
        """Attempt `job` and write its outcomes down.

        Whatever goes wrong on our side is a deferral, so the recipient comes
        back; outcomes are kept until the store takes them. Raises AgentLost
        when it is not known what became of the job.
        """
        try:
            outcomes = await self._attempt(job, kept)
        except StoreUnavailable as trouble:
            logger.warning("%s waits for the store: %s", job.message_id, trouble)
            outcomes = _all(job, Fate.DEFERRED, OUR_FAULT)
        except AgentLost:
            kept.connection = None
            raise
        except DeliveryFailed as told:
            logger.error("%s waits for a fault on our side: %s", job.message_id, told)
            await kept.close()
            outcomes = _all(job, Fate.DEFERRED, OUR_FAULT)
        except Exception:
            logger.exception("attempt of %s failed on our side", job.message_id)
            await kept.close()
            outcomes = _all(job, Fate.DEFERRED, OUR_FAULT)
        if ARMED:
            reach("delivery.reply")
        await self._settle_surely(job, outcomes)
        if ARMED:
            reach("dispatch.settled")
        is_due_again = any(outcome.fate is Fate.DEFERRED for outcome in outcomes)
        return Carried(lesson(lane, outcomes, self.settler.clock.now()), is_due_again)

    async def _attempt(self, job: Job, kept: Kept) -> list[Outcome]:
        message, stored = job.loaded or await self._load(job.message_id)
        if any(leased.is_trial != message.is_test for leased in job.recipients):
            raise LookupError(f"{message.id} is on the way of {'live' if message.is_test else 'test'} mail")
        consignment = await self.outfitter.outfit(message, stored, job.recipients)
        if message.is_test:
            return await self._deliver_for_trial(consignment, job, kept)
        if job.is_local:
            return await self._deliver_here(consignment)
        delivery = await self.agent.deliver(consignment, kept.connection)
        kept.connection = delivery.kept
        return delivery.outcomes

    async def _deliver_for_trial(self, consignment: Consignment, job: Job, kept: Kept) -> list[Outcome]:
        """To the simulator. The lane of trials holds no connection but to it."""
        if self.trials is None:
            return _all(job, Fate.DEFERRED, NO_SIMULATOR)
        delivery = await self.trials.deliver(consignment, kept.connection)
        kept.connection = delivery.kept
        return [replace(outcome, mx=outcome.mx and SANDBOX) for outcome in delivery.outcomes]

    async def _deliver_here(self, consignment: Consignment) -> list[Outcome]:
        envelope = Envelope(
            reverse_path=consignment.reverse_path,
            recipients=[
                EnvelopeRecipient(there.address, there.notify, there.orcpt)
                for there in consignment.recipients
            ],
            is_8bit=consignment.is_8bit,
            smtputf8=consignment.needs_utf8,
        )
        wire = await signed(self.signer, consignment)
        replies = await self.local.deliver(envelope, wire.header, wire.body)
        return [
            _local_outcome(there, reply) for there, reply in zip(consignment.recipients, replies, strict=True)
        ]

    async def _load(self, message_id: str) -> tuple[Message, StoredContent]:
        loaded = await spool.load(self.db, message_id)
        if loaded is None or loaded[1].is_purged:
            raise LookupError(f"the bytes of {message_id} are not in the store")
        return loaded

    async def _settle_surely(self, job: Job, outcomes: Sequence[Outcome]) -> None:
        by_id = {outcome.recipient_id: outcome for outcome in outcomes}
        pairs = [(leased, by_id[leased.id]) for leased in job.recipients]
        while True:
            try:
                somebody_is_to_be_told = await self.settler.settle(pairs)
            except StoreUnavailable as trouble:
                logger.warning("outcomes of %s wait for the store: %s", job.message_id, trouble)
                await asyncio.sleep(SETTLE_AGAIN_AFTER)
            else:
                if somebody_is_to_be_told:
                    self.notices_due()
                if any(leased.is_trial for leased in job.recipients):
                    self.trials_settled()
                return


def lesson(lane: Lane, outcomes: Sequence[Outcome], now: datetime) -> Outage | None:
    """What the lane learns of its far side from one job."""
    put_off = {outcome.scope: outcome for outcome in outcomes if outcome.fate is Fate.DEFERRED}
    if Scope.SITE in put_off:
        rest = lane.could_not_be_reached()
        return None if rest is None else Outage(lane.heading, now + rest, put_off[Scope.SITE].reply)
    if Scope.SESSION in put_off:
        lane.broke_off()
    elif any(outcome.fate is Fate.DELIVERED for outcome in outcomes):
        lane.went_well()
    return None


def _local_outcome(there: ParcelRecipient, reply: SmtpReply) -> Outcome:
    verdict = classify(Phase.RECIPIENT, reply)
    return Outcome(
        recipient_id=there.id,
        fate=verdict.fate,
        scope=verdict.scope,
        reply=reply,
        mx="local",
        reason=verdict.reason,
        phase=Phase.FINAL_DOT if reply.is_positive else Phase.RECIPIENT,
    )


def _all(job: Job, fate: Fate, reply: SmtpReply) -> list[Outcome]:
    return [
        Outcome(recipient_id=leased.id, fate=fate, scope=Scope.MESSAGE, reply=reply, reason=Reason.UNKNOWN)
        for leased in job.recipients
    ]
