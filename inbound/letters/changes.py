"""What people change about conversations: join two, part one, let a letter in. Keeps the counts right."""

from collections.abc import Sequence

from inbound.letters import labels, records, threads
from inbound.letters.letter import Letter, Match, Standing
from inbound.letters.threads import Thread
from relay.clock import Clock
from relay.errors import InvalidInput
from relay.store.database import Transaction


async def merge(tx: Transaction, thread: Thread, into: Thread) -> None:
    """All letters of `thread` belong to `into`, which is found under both ids and has the labels of both.

    Raises InvalidInput for a thread and itself, and for threads of two mailboxes.
    """
    if thread.id == into.id:
        raise InvalidInput("a thread cannot be merged into itself")
    if thread.mailbox_id != into.mailbox_id:
        raise InvalidInput("threads of two inboxes cannot be merged")
    await records.move_whole_thread(tx, thread.id, into.id)
    await threads.merge(tx, thread, into)
    together = dict.fromkeys((*into.labels, *thread.labels))
    await threads.set_labels(tx, into.id, tuple(together)[: labels.MAX_LABELS])
    await threads.recount(tx, into.id)


async def split(tx: Transaction, clock: Clock, thread: Thread, letters: Sequence[Letter]) -> Thread:
    """These letters of `thread` become a thread of their own, which is returned.

    Raises InvalidInput for none, for letters of another thread, and where none would stay.
    """
    if not letters or any(letter.thread_id != thread.id for letter in letters):
        raise InvalidInput("name at least one message, and only messages of this thread")
    if len({letter.number for letter in letters if letter.standing == "accepted"}) >= thread.messages:
        raise InvalidInput("at least one message must stay in the thread")
    first = min(letters, key=lambda letter: letter.number)
    apart = await threads.begin(tx, clock, thread.tenant_id, thread.mailbox_id, first.subject, first.at)
    numbers = [letter.number for letter in letters]
    await records.move_to_thread(tx, numbers, apart.id, Match("split", thread.id))
    await threads.recount(tx, thread.id)
    await threads.recount(tx, apart.id)
    return apart


async def change_standing(tx: Transaction, letter: Letter, standing: Standing) -> None:
    """Let a letter in that was put aside, or put one aside; the label that says so goes with it."""
    await records.set_standing(tx, letter.number, standing)
    kept = [label for label in letter.labels if label != letter.standing][: labels.MAX_LABELS - 1]
    await labels.replace(tx, letter, kept if standing == "accepted" else [*kept, standing])
    await threads.recount(tx, letter.thread_id)
