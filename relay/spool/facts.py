"""What a message has in common with others, which figures are kept by; read by id, never searched."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from relay.store.database import Reader, Row


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """`domain` signs for it; `began_at` is when it began to travel, None while all of it waits."""

    domain: str
    tags: tuple[str, ...]
    template_id: str | None
    is_test: bool
    began_at: int | None


async def facts_of(reader: Reader, message_ids: Sequence[str]) -> dict[str, MessageFacts]:
    """Those of the messages that are there, by id."""
    rows = await reader.fetch_all(
        "select id, reverse_path, signing_domain, tags, template_id, is_test, released_at from messages"
        " where id in (select value from {each:$1}) and direction = 'out'",
        json.dumps(list(message_ids)),
    )
    return {row["id"]: _facts(row) for row in rows}


def _facts(row: Row) -> MessageFacts:
    return MessageFacts(
        domain=row["signing_domain"] or row["reverse_path"].rpartition("@")[2].rstrip(">").lower(),
        tags=() if row["tags"] == "[]" else tuple(json.loads(row["tags"])),
        template_id=row["template_id"],
        is_test=bool(row["is_test"]),
        began_at=row["released_at"],
    )
