"""A store with mail of ours that went out, for what comes back about it."""

from collections.abc import Mapping

import pytest

from relay.address import parse_address
from relay.clock import to_us
from relay.events import log
from relay.events.log import Event
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool import records as spool
from relay.spool.records import Direction, Message, StoredContent
from relay.store.database import Transaction
from relay.store.sqlite import SqliteDatabase
from relay.suppressions import records as suppressions
from relay.suppressions.records import Suppression
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock


class Outbox:
    """Puts sent mail in, and tells what became of it."""

    def __init__(self, db: SqliteDatabase, clock: FakeClock) -> None:
        self.db, self.clock = db, clock
        self._number = 0

    async def put(
        self,
        recipients: Mapping[str, State],
        *,
        id_: str = "msg_0sent",
        orcpt: str | None = None,
        local: bool = False,
        direction: Direction = "out",
    ) -> Message:
        message = Message(
            id=id_,
            tenant_id=DEFAULT_TENANT,
            mailbox_id="inb_app",
            direction=direction,
            source="smtp",
            reverse_path=parse_address("app@ours.test"),
            header_from="app@ours.test",
            subject="Offer",
            message_id="<offer@ours.test>",
            size=1,
            body_size=1,
            created_at=to_us(self.clock.now()),
        )
        rows = [self._row(message, address, state, orcpt, local) for address, state in recipients.items()]

        async def work(tx: Transaction) -> None:
            await spool.insert(tx, message, StoredContent(b"", b"", None))
            await queue.enqueue(tx, rows)

        await self.db.transact(work)
        return message

    def _row(
        self, message: Message, address: str, state: State, orcpt: str | None, local: bool
    ) -> QueuedRecipient:
        self._number += 1
        return QueuedRecipient(
            id=self._number,
            tenant_id=message.tenant_id,
            message_id=message.id,
            mailbox_id=message.mailbox_id,
            position=self._number,
            address=parse_address(address),
            destination=address.rpartition("@")[2],
            is_local=local,
            state=state,
            attempts=0 if state in (State.SCHEDULED, State.QUEUED) else 1,
            orcpt=orcpt,
        )

    async def states(self, id_: str = "msg_0sent") -> dict[str, str]:
        return {str(row.address): row.state.value for row in await queue.of_message(self.db, id_)}

    async def events(self, kind: str, id_: str = "msg_0sent") -> list[Event]:
        return [event for event in await log.of_message(self.db, id_) if event.kind == kind]

    async def suppression(self, address: str) -> Suppression | None:
        return await suppressions.find(self.db, DEFAULT_TENANT, parse_address(address))


@pytest.fixture
def outbox(db: SqliteDatabase, clock: FakeClock) -> Outbox:
    return Outbox(db, clock)
