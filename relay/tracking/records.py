"""What was opened and followed, written to the log as often as it means something. Owns the table `tracked`.

Of each link of a message, and of its image, `MOST` events of people and as
many of machines are told; what comes after that writes nothing. So a URL that
somebody asks for again and again fills no log.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relay.clock import Clock, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Database, Reader, Transaction

MOST = 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody or something that loaded the image (`link` is None) or followed a link of a message.

    `recipient` is told where the message has only one.
    """

    tenant_id: str
    mailbox_id: str | None
    message_id: str
    recipient_id: int | None
    recipient: str | None
    link: str | None
    machine: str | None
    user_agent: str
    address: str | None
    is_test: bool

    @property
    def kind(self) -> EventKind:
        return EventKind.MESSAGE_OPENED if self.link is None else EventKind.MESSAGE_CLICKED

    @property
    def what(self) -> str:
        """The link or image, apart by who asked for it."""
        digest = "" if self.link is None else hashlib.sha256(self.link.encode()).hexdigest()[:24]
        return f"{'machine' if self.machine else 'person'}:{digest}"

    @property
    def data(self) -> Mapping[str, Any]:
        said = {"recipient": self.recipient, "user_agent": self.user_agent, "address": self.address}
        if self.link is not None:
            said["link"] = self.link
        return {**said, "machine": self.machine is not None, "machine_kind": self.machine}


async def record(db: Database, clock: Clock, seen: Sighting) -> bool:
    """Write the event, unless there are enough of its like; False then."""
    if await _count(db, seen) >= MOST:
        return False

    async def work(tx: Transaction) -> bool:
        # Two at once: the statement counts, not what was read before.
        touched = await tx.execute(
            "insert into tracked (tenant_id, message_id, what, events, first_at) values ($1, $2, $3, 1, $4)"
            " on conflict (message_id, what) do update set events = tracked.events + 1"
            " where tracked.events < $5",
            seen.tenant_id,
            seen.message_id,
            seen.what,
            to_us(clock.now()),
            MOST,
        )
        if touched:
            await log.append(
                tx,
                clock,
                seen.kind,
                tenant_id=seen.tenant_id,
                mailbox_id=seen.mailbox_id,
                message_id=seen.message_id,
                recipient_id=seen.recipient_id,
                data=seen.data,
                is_test=seen.is_test,
            )
        return bool(touched)

    return await db.transact(work)


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    """These messages are forgotten, and so is how often they were looked at."""
    await tx.execute(
        "delete from tracked where message_id in (select value from {each:$1})", json.dumps(list(message_ids))
    )


async def _count(reader: Reader, seen: Sighting) -> int:
    row = await reader.fetch_one(
        "select events from tracked where message_id = $1 and what = $2", seen.message_id, seen.what
    )
    return row["events"] if row else 0
