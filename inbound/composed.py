"""The letter of mail that was written here: in its thread from the moment the message is taken."""

from collections.abc import Sequence

from msgspec.structs import replace

from inbound.letters import labels, records, search, texts, threads
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from relay.clock import Clock
from relay.ids import new_id, new_number
from relay.store.database import Transaction


async def file_composed(
    tx: Transaction, clock: Clock, letter: Letter, text: Text, answers: Letter | None = None
) -> Letter:
    """Write the letter into the thread of the one that it answers, or a new one; returns it so.

    It gets its number here: whoever follows the numbers must not miss one that is written late.
    """
    if answers is None:
        return (await file_new(tx, clock, [(letter, text)]))[0]
    letter = replace(letter, number=new_number(clock))
    return await put_beside(tx, clock, letter, text, answers)


async def file_new(tx: Transaction, clock: Clock, letters: Sequence[tuple[Letter, Text]]) -> list[Letter]:
    """Write letters that begin a conversation each, with few statements for all; returns them so."""
    numbered = [
        replace(letter, number=new_number(clock), thread_id=new_id("thr", clock)) for letter, _ in letters
    ]
    await threads.begin_with_one(tx, numbered)
    await put_all(tx, [(letter, text) for letter, (_, text) in zip(numbered, letters, strict=True)])
    return numbered


async def put_beside(
    tx: Transaction, clock: Clock, letter: Letter, text: Text, other: Letter | None
) -> Letter:
    """Write the letter into the other one's thread if its mailbox has it, else a new one; returns it so."""
    thread = await threads.find(tx, letter.tenant_id, other.thread_id) if other else None
    if thread is not None and thread.mailbox_id == letter.mailbox_id:
        letter = replace(letter, thread_id=thread.id)
        await put(tx, letter, text)
        return letter
    letter = replace(letter, thread_id=new_id("thr", clock))
    await threads.begin_with_one(tx, [letter])
    await put_all(tx, [(letter, text)])
    return letter


async def put(tx: Transaction, letter: Letter, text: Text) -> None:
    """The letter with its text, words and labels; its thread grows unless it stands aside."""
    await put_all(tx, [(letter, text)])
    if letter.standing == "accepted":
        await threads.grow(tx, [(letter.thread_id, letter.at)])


async def put_all(tx: Transaction, letters: Sequence[tuple[Letter, Text]]) -> None:
    """The letters with their texts, words and labels; their threads must count them already."""
    await records.insert_many(tx, [letter for letter, _ in letters])
    await texts.insert_many(tx, [(letter.tenant_id, letter.message_id, text) for letter, text in letters])
    await search.insert_many(tx, letters)
    await labels.insert_many(tx, [letter for letter, _ in letters])
