"""With which letters a message has to do: whom it answers, who answers it, who wrote before."""

import json
from collections.abc import Sequence

from inbound.letters.letter import SELECT, Letter, from_row
from relay.store.database import Reader
from relay.store.text import storable


async def by_header_ids(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> dict[str, Letter]:
    """Those of a mailbox's letters that bear one of these Message-IDs, by it.

    Where several do, ours, else the first: nobody takes over a conversation
    with a copied Message-ID. What was put aside is not found.
    """
    rows = await reader.fetch_all(
        f"{SELECT} where l.mailbox_id = $1 and l.header_id in (select value from {{each:$2}})"
        " and l.standing = 'accepted' order by l.direction, l.number desc",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["header_id"]: from_row(row) for row in rows}


async def named_among(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> set[str]:
    """Those of the Message-IDs that some letter of the mailbox bears."""
    rows = await reader.fetch_all(
        "select distinct header_id from letters where mailbox_id = $1"
        " and header_id in (select value from {each:$2})",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["header_id"] for row in rows}


async def by_thread_index(reader: Reader, mailbox_id: str, root: str) -> Letter | None:
    """The newest letter of a conversation that Outlook knows under this root."""
    row = await reader.fetch_one(
        f"{SELECT} where l.mailbox_id = $1 and l.thread_index = $2 and l.standing = 'accepted'"
        " order by l.number desc limit 1",
        mailbox_id,
        root,
    )
    return from_row(row) if row else None


async def that_answers(reader: Reader, mailbox_id: str, header_id: str) -> Letter | None:
    """The first letter that came in answer to this Message-ID: sometimes an answer is faster."""
    row = await reader.fetch_one(
        f"{SELECT} where l.mailbox_id = $1 and l.in_reply_to = $2 and l.standing = 'accepted'"
        " order by l.number limit 1",
        mailbox_id,
        storable(header_id),
    )
    return from_row(row) if row else None


async def answered_among(reader: Reader, mailbox_id: str, header_ids: Sequence[str]) -> set[str]:
    """Those of the Message-IDs that some letter of the mailbox came in answer to."""
    rows = await reader.fetch_all(
        "select distinct in_reply_to from letters where mailbox_id = $1"
        " and in_reply_to in (select value from {each:$2}) and standing = 'accepted'",
        mailbox_id,
        json.dumps([storable(each) for each in header_ids]),
    )
    return {row["in_reply_to"] for row in rows}


async def senders_among(reader: Reader, mailbox_id: str, senders: Sequence[str]) -> set[str]:
    """Those of the address keys from which mail has come that was let in."""
    rows = await reader.fetch_all(
        "select distinct sender from letters where mailbox_id = $1 and direction = 'in'"
        " and standing = 'accepted' and sender in (select value from {each:$2})",
        mailbox_id,
        json.dumps([storable(each) for each in senders]),
    )
    return {row["sender"] for row in rows}
