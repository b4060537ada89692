"""The endpoints that tenants named: where to post, which events, signed with what.

A secret is kept as it is, because every post is signed with it; it is shown
when it is made, and never again. `endpoint_changes` holds what people do to an
endpoint, `standing` what posts do.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from relay.clock import Clock, from_us
from relay.errors import NotFound
from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Reader, Row, Transaction
from relay.store.text import among
from relay.webhooks.signature import STANDARD, Style
from relay.webhooks.targets import read_url
from relay.webhooks.told import Told

Status: TypeAlias = Literal["active", "paused", "disabled"]

EVERYTHING = "*"
COLUMNS = (
    "id, tenant_id, url, label, events, mailbox_id, status, reason, failures, rests_until, from_seq,"
    " previous_until, created_at, is_test, signature_style, signature_header, gzip, headers, domains, tags"
)
SELECT = f"select {COLUMNS} from webhook_endpoints where status <> 'removed'"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, without its secrets. `events` are kinds, `noun.*` or `*`; no `mailbox_id`: of all.

    `failures` counts posts that failed since the last one that was taken;
    until `rests_until` it asked for nothing. Its events are those behind
    `from_seq` of the log. Until `previous_until` posts carry the signature of
    the secret before this one, too. One that `is_test` is told of trials, and
    of nothing else. `domains` and `tags` narrow the events where they name any;
    of `headers` only the names are known here.
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
    is_test: bool = False
    signature_style: Style = STANDARD
    signature_header: str | None = None
    gzip: bool = False
    header_names: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def wants(self, told: Told) -> bool:
        """Whether this event is to be posted here by itself."""
        return self.asks_for(told.event) and self.names(told)

    def asks_for(self, event: log.Event) -> bool:
        """Whether it may want such an event, as far as the event alone can tell."""
        return event.tenant_id == self.tenant_id and event.seq > self.from_seq and self.names_kind(event)

    def names(self, told: Told) -> bool:
        """Whether it asks for events of this kind, mailbox, domain and these tags.

        Of what befalls itself it is not told.
        """
        event = told.event
        is_of_domain = not self.domains or told.domain in self.domains
        has_tag = not self.tags or not set(self.tags).isdisjoint(told.tags)
        is_of_others = event.data.get("webhook_id") != self.id
        return self.names_kind(event) and self.may_see(told) and is_of_domain and has_tag and is_of_others

    def may_see(self, told: Told) -> bool:
        """Whether the event is of its mailbox, where it has one; trials and live mail stay apart."""
        return self.mailbox_id in (None, told.event.mailbox_id) and self.is_test == told.is_test

    def names_kind(self, event: log.Event) -> bool:
        """Whether it asks for events of this kind."""
        noun = event.kind.partition(".")[0]
        return not {EVERYTHING, f"{noun}.*", str(event.kind)}.isdisjoint(self.events)


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
    mailbox_ids: tuple[str, ...] | None = None,
    is_test: bool | None = None,
) -> list[Endpoint]:
    """The tenant's endpoints, newest first; `before_id` is the last one of the page before.

    With `mailbox_ids` those of these mailboxes alone, with `is_test` those for trials, or for live mail.
    """
    rows = await reader.fetch_all(
        f"{SELECT} and tenant_id = $1 and ($2 = '' or id < $2)"  # noqa: S608
        " and ($3 = '[0]' or mailbox_id in (select value from {each:$3}))"
        " and ($4 < 0 or is_test = $4) order by id desc limit $5",
        tenant_id,
        before_id or "",
        among(mailbox_ids),
        -1 if is_test is None else int(is_test),
        limit,
    )
    return [from_row(row) for row in rows]


async def listening(reader: Reader) -> list[Endpoint]:
    """Every tenant's endpoints that are owed events: the active ones, and the paused."""
    return [from_row(row) for row in await reader.fetch_all(f"{SELECT} and status <> 'disabled'")]


async def tell(
    tx: Transaction,
    clock: Clock,
    kind: EventKind,
    endpoint: Endpoint,
    reason: str | None = None,
    *,
    before: Endpoint | None = None,
) -> None:
    """Put into the log what befell the endpoint; without its URL, in which people keep tokens."""
    data = {"webhook_id": endpoint.id, "label": endpoint.label, "host": read_url(endpoint.url).host}
    if reason is not None:
        data["reason"] = reason
    await log.append(
        tx,
        clock,
        kind,
        tenant_id=endpoint.tenant_id,
        mailbox_id=endpoint.mailbox_id,
        data=data,
        is_test=endpoint.is_test,
        before=None if before is None else _brief(before),
        after=None if before is None else _brief(endpoint),
    )


def _brief(endpoint: Endpoint) -> dict[str, Any]:
    """What the audit log tells of it: no more of its URL than the host."""
    return {
        "host": read_url(endpoint.url).host,
        "label": endpoint.label,
        "events": endpoint.events,
        "status": endpoint.status,
    }


def from_row(row: Row) -> Endpoint:
    return Endpoint(
        id=row["id"],
        tenant_id=row["tenant_id"],
        url=row["url"],
        label=row["label"],
        events=_texts(row["events"]),
        mailbox_id=row["mailbox_id"],
        status=row["status"],
        reason=row["reason"],
        failures=row["failures"],
        rests_until=_instant(row["rests_until"]),
        from_seq=row["from_seq"],
        previous_until=_instant(row["previous_until"]),
        created_at=from_us(row["created_at"]),
        is_test=bool(row["is_test"]),
        signature_style=row["signature_style"],
        signature_header=row["signature_header"],
        gzip=bool(row["gzip"]),
        header_names=tuple(msgspec.json.decode(row["headers"], type=dict[str, str])),
        domains=_texts(row["domains"]),
        tags=_texts(row["tags"]),
    )


def _texts(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)
