"""The addresses that are not to be written to. Owns the table `suppressions`.

An address is suppressed for the whole tenant, or for one stream of mail (a
newsletter) only. It is looked up by `Address.key`, so case does not matter.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from relay.address import Address
from relay.clock import Clock, from_us, to_us
from relay.events import log
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.store.database import Reader, Row, Transaction
from relay.store.text import storable_json
from relay.suppressions.reasons import SuppressionReason

WHOLE_TENANT = "tenant"

_COLUMNS = "id, tenant_id, scope, address, reason, source_message_id, created_at, expires_at"
# What becomes of an entry that another outlasts, and which one that is.
_RENEWED = (
    "reason = excluded.reason, source_message_id = excluded.source_message_id,"
    " created_at = excluded.created_at, expires_at = excluded.expires_at"
)
_ENDS_SOONER = (
    "suppressions.expires_at is not null and (suppressions.expires_at <= {now}"
    " or excluded.expires_at is null or excluded.expires_at > suppressions.expires_at)"
)
_SELECT = f"select {_COLUMNS} from suppressions"  # noqa: S608 - the columns are ours


@dataclass(frozen=True, slots=True)
class Suppression:
    """`scope` is "tenant" or "stream:<name>"; None for `expires_at` means for good."""

    id: str
    tenant_id: str
    scope: str
    address: Address
    reason: SuppressionReason
    source_message_id: str | None
    created_at: datetime
    expires_at: datetime | None

    @property
    def stream(self) -> str | None:
        """The one stream of mail that it is for; None where it is for all."""
        return self.scope.partition(":")[2] or None


def scope_of(stream: str | None) -> str:
    """The scope of one stream, or of the whole tenant."""
    return f"stream:{stream}" if stream else WHOLE_TENANT


async def add(
    tx: Transaction,
    clock: Clock,
    *,
    tenant_id: str,
    address: Address,
    reason: SuppressionReason | str,
    stream: str | None = None,
    source_message_id: str | None = None,
    expires_at: datetime | None = None,
) -> bool:
    """Suppress `address`; False when it was so already, and for as long.

    An entry that has run out, or would run out earlier, is replaced.
    """
    now, until = to_us(clock.now()), to_us(expires_at) if expires_at else None
    touched = await tx.execute(
        f"insert into suppressions ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608
        f" on conflict (tenant_id, scope, address) do update set {_RENEWED}"
        f" where {_ENDS_SOONER.format(now='$7')}",
        new_id("sup", clock),
        tenant_id,
        scope_of(stream),
        address.key,
        SuppressionReason(reason).value,
        source_message_id,
        now,
        until,
    )
    if touched:
        data = {"address": str(address), "reason": SuppressionReason(reason).value, "stream": stream}
        await log.append(
            tx,
            clock,
            EventKind.SUPPRESSION_CREATED,
            tenant_id=tenant_id,
            message_id=source_message_id,
            data=data,
        )
    return bool(touched)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody's list says of one address."""

    address: Address
    reason: SuppressionReason
    stream: str | None = None
    expires_at: datetime | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What there is one entry for."""
        return scope_of(self.stream), self.address.key

    def outlasts(self, other: "Wanted") -> bool:
        if self.expires_at is None or other.expires_at is None:
            return other.expires_at is not None
        return self.expires_at > other.expires_at


async def add_many(tx: Transaction, clock: Clock, tenant_id: str, wanted: Iterable[Wanted]) -> int:
    """Suppress many as `add` does, in one statement and without an event each; returns how many changed."""
    lasting: dict[tuple[str, str], Wanted] = {}
    for each in wanted:
        if each.place not in lasting or each.outlasts(lasting[each.place]):
            lasting[each.place] = each
    rows = [
        {
            "id": new_id("sup", clock),
            "scope": scope,
            "address": key,
            "reason": each.reason.value,
            "until": to_us(each.expires_at) if each.expires_at else None,
        }
        for (scope, key), each in lasting.items()
    ]
    return await tx.execute(
        f"insert into suppressions ({_COLUMNS}) select id, cast($2 as text), scope, address, reason,"  # noqa: S608
        " null, cast($3 as bigint), until"
        " from {rows:$1, id text, scope text, address text, reason text, until bigint} where true"
        f" on conflict (tenant_id, scope, address) do update set {_RENEWED}"
        f" where {_ENDS_SOONER.format(now='$3')}",
        json.dumps(rows, ensure_ascii=False),
        tenant_id,
        to_us(clock.now()),
    )


async def remove(
    tx: Transaction, clock: Clock, tenant_id: str, address: Address, stream: str | None = None
) -> bool:
    """Let `address` be written to again; False when nothing kept it from that."""
    touched = await tx.execute(
        "delete from suppressions where tenant_id = $1 and scope = $2 and address = $3",
        tenant_id,
        scope_of(stream),
        address.key,
    )
    if touched:
        data = {"address": str(address), "stream": stream}
        await log.append(tx, clock, EventKind.SUPPRESSION_REMOVED, tenant_id=tenant_id, data=data)
    return bool(touched)


async def suppressed_among(
    reader: Reader,
    tenant_id: str,
    addresses: Iterable[Address],
    stream: str | None,
    now: datetime,
) -> dict[Address, SuppressionReason]:
    """Those of `addresses` that are not to be written to at `now`, each with why; one read."""
    by_key = {address: address.key for address in addresses}
    rows = await reader.fetch_all(
        "select address, scope, reason from suppressions where tenant_id = $1 and scope in ('tenant', $2)"
        " and address in (select value from {each:$3}) and (expires_at is null or expires_at > $4)"
        " order by scope",
        tenant_id,
        scope_of(stream),
        storable_json(list(by_key.values())),
        to_us(now),
    )
    # The tenant's own reason comes last, and stands before that of a stream.
    found = {row["address"]: SuppressionReason(row["reason"]) for row in rows}
    return {address: found[key] for address, key in by_key.items() if key in found}


async def standing_among(
    reader: Reader,
    tenant_id: str,
    addresses: Iterable[Address],
    stream: str | None,
    now: datetime,
) -> dict[str, Suppression]:
    """The entries that keep mail of the stream from these addresses, by `Address.key`: the tenant's first."""
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and scope in ('tenant', $2)"  # noqa: S608
        " and address in (select value from {each:$3}) and (expires_at is null or expires_at > $4)"
        " order by scope",
        tenant_id,
        scope_of(stream),
        json.dumps([address.key for address in addresses], ensure_ascii=False),
        to_us(now),
    )
    return {row["address"]: _from_row(row) for row in rows}


async def find(
    reader: Reader, tenant_id: str, address: Address, stream: str | None = None
) -> Suppression | None:
    """The entry for exactly this address and scope, also when it has run out."""
    row = await reader.fetch_one(
        f"{_SELECT} where tenant_id = $1 and scope = $2 and address = $3",
        tenant_id,
        scope_of(stream),
        address.key,
    )
    return _from_row(row) if row else None


async def find_by_id(reader: Reader, tenant_id: str, suppression_id: str) -> Suppression | None:
    """The tenant's entry of that id, also when it has run out."""
    row = await reader.fetch_one(f"{_SELECT} where tenant_id = $1 and id = $2", tenant_id, suppression_id)
    return _from_row(row) if row else None


async def page(
    reader: Reader,
    tenant_id: str,
    *,
    limit: int = 50,
    before_id: str | None = None,
    reason: SuppressionReason | None = None,
    stream: str | None = None,
) -> list[Suppression]:
    """The tenant's entries, newest first; `before_id` is the last one of the page before.

    A reason narrows it, and so does a stream.
    """
    rows = await reader.fetch_all(
        f"{_SELECT} where tenant_id = $1 and ($2 = '' or id < $2) and ($4 = '' or reason = $4)"
        " and ($5 = '' or scope = $5) order by id desc limit $3",
        tenant_id,
        before_id or "",
        limit,
        reason.value if reason else "",
        scope_of(stream) if stream else "",
    )
    return [_from_row(row) for row in rows]


def _from_row(row: Row) -> Suppression:
    return Suppression(
        id=row["id"],
        tenant_id=row["tenant_id"],
        scope=row["scope"],
        address=Address(*row["address"].rsplit("@", 1)),
        reason=SuppressionReason(row["reason"]),
        source_message_id=row["source_message_id"],
        created_at=from_us(row["created_at"]),
        expires_at=from_us(row["expires_at"]) if row["expires_at"] is not None else None,
    )
