"""Received mail that nobody has read yet. Owns the table `arrivals`.

A row is written with the raw message, before 250, and goes with the
transaction that writes the letter: dying in between means reading again.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from inbound.authenticate.results import Authentication
from inbound.screening import Screening
from relay.address import Address, parse_address
from relay.store.database import Reader, Row, Transaction
from relay.store.text import storable_json

_COLUMNS = "message_id, tenant_id, mailbox_id, recipient, client, helo, authentication, screening, unfinished"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One received message. `authentication` is None while nobody has judged the sender.

    `unfinished` counts the readings that began and left no outcome.
    """

    message_id: str
    tenant_id: str
    mailbox_id: str
    recipient: Address
    client: str | None = None
    helo: str | None = None
    authentication: Authentication | None = None
    screening: Screening | None = None
    unfinished: int = 0


async def insert(tx: Transaction, arrival: Arrival) -> None:
    await tx.execute(
        f"insert into arrivals ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, 0)",  # noqa: S608
        arrival.message_id,
        arrival.tenant_id,
        arrival.mailbox_id,
        str(arrival.recipient),
        arrival.client,
        arrival.helo,
        storable_json(arrival.authentication) if arrival.authentication else None,
        storable_json(arrival.screening) if arrival.screening else None,
    )


async def waiting(
    reader: Reader, limit: int, *, suspects: bool = False, but: Collection[str] = ()
) -> list[Arrival]:
    """Oldest first those that nobody began to read; or the `suspects`, least often begun first.

    A suspect was begun and left no outcome. `but` names messages that are not wanted now.
    """
    rows = await reader.fetch_all(
        f"select {_COLUMNS} from arrivals"  # noqa: S608
        f" where unfinished {'>' if suspects else '='} 0"
        " and message_id not in (select value from {each:$1})"
        " order by unfinished, message_id limit $2",
        msgspec.json.encode(list(but)).decode(),
        limit,
    )
    return [_arrival(row) for row in rows]


async def begin(tx: Transaction, message_ids: Collection[str]) -> None:
    """Put on record that these are being read: what kills the reader is known by its count."""
    await tx.execute(
        "update arrivals set unfinished = unfinished + 1 where message_id in (select value from {each:$1})",
        msgspec.json.encode(list(message_ids)).decode(),
    )


async def excuse(tx: Transaction, message_ids: Collection[str]) -> None:
    """That their reading came to nothing was no fault of theirs: it does not count."""
    await tx.execute(
        "update arrivals set unfinished = unfinished - 1 where message_id in (select value from {each:$1})",
        msgspec.json.encode(list(message_ids)).decode(),
    )


async def finish(tx: Transaction, message_id: str) -> bool:
    """The letter is written: nobody reads it again. False when somebody was faster."""
    return bool(await tx.execute("delete from arrivals where message_id = $1", message_id))


async def forget(tx: Transaction, message_ids: Collection[str]) -> None:
    """These messages are gone."""
    await tx.execute(
        "delete from arrivals where message_id in (select value from {each:$1})",
        msgspec.json.encode(list(message_ids)).decode(),
    )


def _arrival(row: Row) -> Arrival:
    authentication, screening = row["authentication"], row["screening"]
    return Arrival(
        message_id=row["message_id"],
        tenant_id=row["tenant_id"],
        mailbox_id=row["mailbox_id"],
        recipient=_address(row["recipient"]),
        client=row["client"],
        helo=row["helo"],
        authentication=msgspec.json.decode(authentication, type=Authentication) if authentication else None,
        screening=msgspec.json.decode(screening, type=Screening) if screening else None,
        unfinished=row["unfinished"],
    )


def _address(text: str) -> Address:
    # "postmaster" alone is the one address without a domain.
    return parse_address(text) if "@" in text else Address(text, "")
