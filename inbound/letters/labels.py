"""What people and programs stick on letters. Owns `letter_labels`, the way from a label to its letters."""

import json
from collections.abc import Iterable, Sequence

from inbound.letters import records
from inbound.letters.letter import Letter
from relay.errors import InvalidInput
from relay.store.database import Transaction

MAX_LABELS = 50
MAX_LENGTH = 100


def check(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels without repetition, in their order; raises InvalidInput for one that cannot be."""
    found = tuple(dict.fromkeys(label.strip() for label in labels))
    if len(found) > MAX_LABELS:
        raise InvalidInput(f"more than {MAX_LABELS} labels")
    for label in found:
        if not 0 < len(label) <= MAX_LENGTH or not label.isprintable():
            raise InvalidInput(f"a label has 1 to {MAX_LENGTH} printable characters")
    return found


async def insert_many(tx: Transaction, letters: Iterable[Letter]) -> None:
    """Make new letters findable by their labels."""
    labelled = [(letter, label) for letter in letters for label in letter.labels]
    if labelled:
        await tx.execute_many(
            "insert into letter_labels (mailbox_id, label, number, tenant_id) values ($1, $2, $3, $4)",
            [(letter.mailbox_id, label, letter.number, letter.tenant_id) for letter, label in labelled],
        )


async def replace(tx: Transaction, letter: Letter, wanted: Iterable[str]) -> tuple[str, ...]:
    """These labels and no others from now on; returns them. Raises InvalidInput."""
    found = check(wanted)
    await tx.execute("delete from letter_labels where number = $1", letter.number)
    await tx.execute_many(
        "insert into letter_labels (mailbox_id, label, number, tenant_id) values ($1, $2, $3, $4)",
        [(letter.mailbox_id, label, letter.number, letter.tenant_id) for label in found],
    )
    await records.set_labels(tx, letter.number, found)
    return found


async def forget(tx: Transaction, numbers: Sequence[int]) -> None:
    await tx.execute(
        "delete from letter_labels where number in (select cast(value as {bigint}) from {each:$1})",
        json.dumps([str(number) for number in numbers]),
    )
