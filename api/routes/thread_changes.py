"""Put conversations right: make one of two, or two of one."""

from typing import Annotated

from msgspec import Meta

from api.call import Call
from api.mail import examples
from api.mail.finding import named, thread_named, thread_of
from api.mail.shapes import ThreadShape
from api.mail.showing import thread_shape
from api.operations import Operation
from api.problems import invalid
from api.shapes import Body
from inbound.letters import changes, records, threads
from inbound.letters.letter import Letter
from inbound.letters.threads import Thread
from relay.store.database import Transaction
from relay.tenants.mailboxes import Mailbox

_PATH = "/v1/inboxes/{inbox}/threads"
_Id = Annotated[str, Meta(max_length=100)]


class MergeThread(Body, frozen=True):
    """`thread_id` is the thread whose messages come into this one."""

    thread_id: _Id


class SplitThread(Body, frozen=True):
    """The messages that become a thread of their own."""

    message_ids: Annotated[tuple[_Id, ...], Meta(min_length=1, max_length=1000)]


async def merge_threads(call: Call, body: MergeThread) -> ThreadShape:
    """This thread with the messages of the other; the other is found under its own id all the same."""
    mailbox, _ = await thread_named(call)

    async def work(tx: Transaction) -> Thread:
        into = await thread_of(call, call.path["thread"], mailbox, tx)
        other = await threads.find(tx, call.tenant_id, body.thread_id)
        if other is None or other.mailbox_id != mailbox.id:
            raise invalid("$.thread_id", f"no thread {body.thread_id} in this inbox")
        with named("$.thread_id"):
            await changes.merge(tx, other, into)
        return await thread_of(call, into.id, mailbox, tx)

    return await call.once.run(work, thread_shape)


async def split_thread(call: Call, body: SplitThread) -> ThreadShape:
    """The new thread, with the messages that were named."""
    mailbox, _ = await thread_named(call)

    async def work(tx: Transaction) -> Thread:
        thread = await thread_of(call, call.path["thread"], mailbox, tx)
        letters = [
            await _letter(tx, call, mailbox, message_id, f"$.message_ids[{place}]")
            for place, message_id in enumerate(body.message_ids)
        ]
        with named("$.message_ids"):
            apart = await changes.split(tx, call.house.clock, thread, letters)
        return await thread_of(call, apart.id, mailbox, tx)

    return await call.once.run(work, thread_shape)


async def _letter(tx: Transaction, call: Call, mailbox: Mailbox, message_id: str, path: str) -> Letter:
    letter = await records.of_mailbox(tx, call.tenant_id, mailbox.id, message_id)
    if letter is None:
        raise invalid(path, f"no message {message_id} in this inbox")
    return letter


OPERATIONS = (
    Operation(
        "POST",
        _PATH + "/{thread}/merge",
        "threads:write",
        "Merge another thread into this one",
        merge_threads,
        body=MergeThread,
        answer=ThreadShape,
        example={"thread_id": examples.THREAD},
        answers=examples.LISTED_THREAD,
        errors=("not_found", "idempotency_mismatch"),
    ),
    Operation(
        "POST",
        _PATH + "/{thread}/split",
        "threads:write",
        "Make a thread of some of the messages",
        split_thread,
        body=SplitThread,
        answer=ThreadShape,
        status=201,
        example={"message_ids": [examples.MESSAGE]},
        answers=examples.LISTED_THREAD,
        errors=("not_found", "idempotency_mismatch"),
    ),
)
