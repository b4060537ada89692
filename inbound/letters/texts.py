"""What letters say: the whole text, the new part of it, and what was hidden. Owns `letter_texts`."""

import json
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import astuple, replace

from inbound.reading.parsed import Parsed, Separated
from relay.store.database import Reader, Row, Transaction
from relay.store.text import storable

_COLUMNS = "text, html, extracted_text, extracted_html, signature, visible_text, hidden_text"


class Text(msgspec.Struct, frozen=True):
    """The text of a letter in its forms. `hidden_text` is what a person would not have seen."""

    text: str = ""
    html: str | None = None
    extracted_text: str = ""
    extracted_html: str | None = None
    signature: str = ""
    visible_text: str = ""
    hidden_text: str = ""

    @classmethod
    def of(cls, parsed: Parsed, separated: Separated) -> "Text":
        return cls(
            text=parsed.text,
            html=parsed.html,
            extracted_text=separated.extracted_text,
            extracted_html=separated.extracted_html,
            signature=separated.signature,
            visible_text=separated.visible_text,
            hidden_text=separated.hidden_text,
        )


async def insert_many(tx: Transaction, texts: Iterable[tuple[str, str, Text]]) -> None:
    """Write what letters say, each with its tenant and message."""
    await tx.execute_many(
        f"insert into letter_texts (message_id, tenant_id, {_COLUMNS})"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            (
                message_id,
                tenant_id,
                *[part and storable(part) for part in astuple(_without_repetition(text))],
            )
            for tenant_id, message_id, text in texts
        ],
    )


async def find(reader: Reader, message_id: str) -> Text | None:
    """The text of a letter; None once retention has forgotten it."""
    row = await reader.fetch_one(f"select {_COLUMNS} from letter_texts where message_id = $1", message_id)
    return _text(row) if row else None


async def find_many(reader: Reader, message_ids: Sequence[str]) -> dict[str, Text]:
    """The texts that there are, by message."""
    rows = await reader.fetch_all(
        f"select message_id, {_COLUMNS} from letter_texts"
        " where message_id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )
    return {row["message_id"]: _text(row) for row in rows}


async def forget(tx: Transaction, message_ids: Sequence[str]) -> None:
    await tx.execute(
        "delete from letter_texts where message_id in (select value from {each:$1})",
        json.dumps(list(message_ids)),
    )


def _without_repetition(text: Text) -> Text:
    """Where nothing is hidden, what a person sees is the text: it is kept once."""
    is_same = not text.hidden_text and text.visible_text == text.text
    return replace(text, visible_text="") if is_same else text


def _text(row: Row) -> Text:
    whole, visible, hidden = row["text"], row["visible_text"], row["hidden_text"]
    return Text(
        text=whole,
        html=row["html"],
        extracted_text=row["extracted_text"],
        extracted_html=row["extracted_html"],
        signature=row["signature"],
        visible_text=visible if visible or hidden else whole,
        hidden_text=hidden,
    )
