"""What retention takes from letters: their texts with the bodies of sent mail, in the end all of them."""

from collections.abc import Sequence

from inbound import arrivals
from inbound.letters import labels, records, search, texts, threads
from relay.store.database import Transaction


class LetterMemory:
    """What letters remember of messages (`relay.dispatch.sweep.Memory`)."""

    async def forget_text(self, tx: Transaction, message_ids: Sequence[str]) -> None:
        """What these messages said is not to be found any more; that they were, is."""
        known = await texts.find_many(tx, message_ids)
        for message_id, text in known.items():
            letter = await records.find(tx, message_id)
            if letter is not None:
                await search.forget(tx, letter, text)
        await texts.forget(tx, message_ids)

    async def forget(self, tx: Transaction, message_ids: Sequence[str]) -> None:
        """Nothing of these messages is left, nor of threads that held no others."""
        await self.forget_text(tx, message_ids)
        letters = [letter for id_ in message_ids if (letter := await records.find(tx, id_)) is not None]
        await labels.forget(tx, [letter.number for letter in letters])
        await records.forget(tx, message_ids)
        await arrivals.forget(tx, message_ids)
        for thread_id in {letter.thread_id for letter in letters}:
            await threads.recount(tx, thread_id)
        await threads.forget_empty(tx, sorted({letter.thread_id for letter in letters}))
