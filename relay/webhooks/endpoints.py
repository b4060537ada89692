"""The endpoints that tenants named: where to post, which events, signed with what.

A secret is kept as it is, because every post is signed with it; it is shown
when it is made, and never again. `endpoint_changes` holds what people do to an
endpoint, `standing` what posts do.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from relay.clock import Clock, from_us
from relay.errors import NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Reader, Row, Transaction
from relay.webhooks.targets import read_url

Status: TypeAlias = Literal["active", "paused", "disabled"]

EVERYTHING = "*"
COLUMNS = (
    "id, tenant_id, url, label, events, mailbox_id, status, reason, failures, rests_until, from_seq,"
    " previous_until, created_at"
)
SELECT = f"select {COLUMNS} from webhook_endpoints where status <> 'removed'"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, without its secrets. `events` are kinds, `noun.*` or `*`; no `mailbox_id`: of all.

    `failures` counts posts that failed since the last one that was taken;
    until `rests_until` it asked for nothing. Its events are those behind
    `from_seq` of the log. Until `previous_until` posts carry the signature of
    the secret before this one, too.
    """

    id: str
    tenant_id: str
    url: str
    label: str
    events: tuple[str, ...]
    mailbox_id: str | None
    status: Status
    reason: str | None
    failures: int
    rests_until: datetime | None
    from_seq: int
    previous_until: datetime | None
    created_at: datetime

    def wants(self, event: log.Event) -> bool:
        """Whether this event is to be posted here by itself."""
        return event.tenant_id == self.tenant_id and event.seq > self.from_seq and self.names(event)

    def names(self, event: log.Event) -> bool:
        """Whether it asks for events of this kind and mailbox; of what befalls itself it is not told."""
        noun = event.kind.partition(".")[0]
        of_kind = not {EVERYTHING, f"{noun}.*", str(event.kind)}.isdisjoint(self.events)
        return of_kind and self.may_see(event) and event.data.get("webhook_id") != self.id

    def may_see(self, event: log.Event) -> bool:
        """Whether the event is of its mailbox, where it has one."""
        return self.mailbox_id in (None, event.mailbox_id)


async def get(reader: Reader, tenant_id: str, endpoint_id: str) -> Endpoint:
    """The tenant's endpoint by id; raises NotFound, also for somebody else's."""
    row = await reader.fetch_one(f"{SELECT} and tenant_id = $1 and id = $2", tenant_id, endpoint_id)
    if row is None:
        raise NotFound(f"no webhook {endpoint_id}")
    return from_row(row)


async def list_of_tenant(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int = 200,
    before_id: str | None = None,
    mailbox_id: str | None = None,
) -> list[Endpoint]:
    """The tenant's endpoints, newest first; `before_id` is the last one of the page before.

    With `mailbox_id` those of that mailbox alone.
    """
    rows = await reader.fetch_all(
        f"{SELECT} and tenant_id = $1 and ($2 = '' or id < $2) and ($3 = '' or mailbox_id = $3)"
        " order by id desc limit $4",
        tenant_id,
        before_id or "",
        mailbox_id or "",
        limit,
    )
    return [from_row(row) for row in rows]


async def listening(reader: Reader) -> list[Endpoint]:
    """Every tenant's endpoints that are owed events: the active ones, and the paused."""
    return [from_row(row) for row in await reader.fetch_all(f"{SELECT} and status <> 'disabled'")]


async def tell(
    tx: Transaction, clock: Clock, kind: EventKind, endpoint: Endpoint, reason: str | None = None
) -> None:
    """Put into the log what befell the endpoint; without its URL, in which people keep tokens."""
    data = {"webhook_id": endpoint.id, "label": endpoint.label, "host": read_url(endpoint.url).host}
    if reason is not None:
        data["reason"] = reason
    await log.append(tx, clock, kind, tenant_id=endpoint.tenant_id, mailbox_id=endpoint.mailbox_id, data=data)


def from_row(row: Row) -> Endpoint:
    return Endpoint(
        id=row["id"],
        tenant_id=row["tenant_id"],
        url=row["url"],
        label=row["label"],
        events=msgspec.json.decode(row["events"], type=tuple[str, ...]),
        mailbox_id=row["mailbox_id"],
        status=row["status"],
        reason=row["reason"],
        failures=row["failures"],
        rests_until=_instant(row["rests_until"]),
        from_seq=row["from_seq"],
        previous_until=_instant(row["previous_until"]),
        created_at=from_us(row["created_at"]),
    )


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
