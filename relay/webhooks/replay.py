"""Post again what was posted, or never was: by event, or for a span of time.

An event that was owed before goes out as it did then, to the octet, under its
own id; receivers that remember ids see a repetition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.clock import Clock, to_us
from relay.errors import InvalidInput
from relay.events import passages
from relay.store.database import Database, Reader, Transaction
from relay.webhooks import deliveries
from relay.webhooks.endpoints import Endpoint
from relay.webhooks.outbox import owed_to
from relay.webhooks.payload import payload_of
from relay.webhooks.told import Told, with_messages

AT_MOST = 10_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` to before `until`, or to now. `failed_only`: what was given up, and nothing else."""

    since: datetime
    until: datetime | None = None
    failed_only: bool = False


async def replay_events(db: Database, clock: Clock, endpoint: Endpoint, event_ids: Sequence[str]) -> int:
    """Make these events due now, whether or not the endpoint asks for their kind; returns how many.

    Raises InvalidInput when one of them is not in the tenant's log (any more), or of another mailbox.
    """
    wanted = set(event_ids)
    found = await passages.with_ids(db, endpoint.tenant_id, sorted(wanted))
    told = [each for each in await with_messages(db, found) if endpoint.may_see(each)]
    if unknown := wanted - {each.event.id for each in told}:
        raise InvalidInput(f"no event {min(unknown)[:80]!r}")
    return await _owe_again(db, clock, endpoint, told)


async def replay_span(db: Database, clock: Clock, endpoint: Endpoint, span: Span) -> int:
    """Make due what the endpoint asks for and what happened in the span; returns how many events.

    All or none: raises InvalidInput for a span of more than AT_MOST events.
    """
    until = span.until or clock.now()
    if span.since >= until:
        raise InvalidInput("the span ends before it begins")
    return await _owe_again(db, clock, endpoint, await _of_span(db, endpoint, span, until))


async def _of_span(reader: Reader, endpoint: Endpoint, span: Span, until: datetime) -> list[Told]:
    found: list[Told] = []
    seq = 0
    while events := await passages.between(
        reader, endpoint.tenant_id, to_us(span.since), to_us(until), after_seq=seq, limit=_BATCH
    ):
        seq = events[-1].seq
        asked_for = [event for event in events if endpoint.names_kind(event)]
        named = [each for each in await with_messages(reader, asked_for) if endpoint.names(each)]
        if span.failed_only:
            ids = [each.event.id for each in named]
            failed = await deliveries.events_in_state(reader, endpoint.id, ids, "failed")
            named = [each for each in named if each.event.id in failed]
        found += named
        if len(found) > AT_MOST:
            raise InvalidInput(f"the span holds more than {AT_MOST} events: ask for parts of it")
    return found


async def _owe_again(db: Database, clock: Clock, endpoint: Endpoint, told: Sequence[Told]) -> int:
    now = to_us(clock.now())
    for start in range(0, len(told), _BATCH):
        owed = [owed_to(endpoint, each.event, payload_of(each)) for each in told[start : start + _BATCH]]

        async def work(tx: Transaction, owed: Sequence[deliveries.NewDelivery] = owed) -> None:
            await deliveries.owe_again(tx, clock, owed, now)

        await db.transact(work, lengthy=True)
    return len(told)
