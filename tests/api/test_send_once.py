"""Mail that is sent under an Idempotency-Key: the answer is kept in the transaction that takes it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from api.auth import Caller
from api.once import Once, RequestKey
from api.shapes import Shape
from relay.address import parse_address
from relay.message.content import ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin
from relay.policy.caps import DailyCapReached
from relay.queue.records import QueuedRecipient
from relay.spool.records import Message
from relay.submission.draft import Draft, Replayed
from relay.submission.repeats import IdempotencyMismatch
from tests.api.conftest import Api, MakeApi

LARGE = b"x" * 76 + b"\r\n"


class SentShape(Shape, frozen=True):
    id: str
    recipients: int


def sent_shape(message: Message, recipients: Sequence[QueuedRecipient]) -> SentShape:
    return SentShape(id=message.id, recipients=len(recipients))


async def send(api: Api, key: str | None, *, fingerprint: str = "as first", body: bytes = b"Hi\r\n") -> Any:
    """What a handler does: a draft with the call's errand; the answer that was kept."""
    caller = Caller((await api.key()).key, api.inbox.tenant_id)
    errand = Once(api.house, caller, RequestKey(key, fingerprint) if key else None, 202).errand(sent_shape)
    writer = ContentWriter(api.house.station.shelf.incoming, size_limit=1 << 25)
    writer.feed(b"From: app@ours.test\r\nTo: ann@far.example\r\n\r\n" + body)
    draft = Draft(
        tenant_id=api.inbox.tenant_id,
        mailbox=api.inbox,
        envelope=Envelope(api.inbox.address, [EnvelopeRecipient(parse_address("ann@far.example"))]),
        content=writer.finish(),
        origin=Origin(source="api"),
        errand=errand,
    )
    try:
        await api.house.acceptor.accept(draft)
    finally:
        writer.discard()
    return errand.answer


def files_of(api: Api) -> set[Path]:
    return {path for path in api.house.config.server.data_dir.rglob("*") if path.is_file()}


async def count(api: Api, table: str) -> int:
    row = await api.house.db.fetch_one(f"select count(*) as found from {table}")  # noqa: S608
    assert row is not None
    return int(row["found"])


async def test_many_at_once_send_one_message(api: Api) -> None:
    outcomes = await asyncio.gather(*(send(api, "k") for _ in range(100)), return_exceptions=True)
    sent = [outcome for outcome in outcomes if isinstance(outcome, SentShape)]
    replayed = [outcome for outcome in outcomes if isinstance(outcome, Replayed)]
    assert (len(sent), len(replayed)) == (1, 99)
    assert {outcome.answer for outcome in replayed} == {replayed[0].answer}
    assert sent[0].id in replayed[0].answer
    assert await count(api, "messages") == 1
    assert await count(api, "recipients") == 1


async def test_a_replay_leaves_nothing_behind(api: Api) -> None:
    await send(api, "k", body=LARGE * 20_000)
    before = files_of(api)
    with pytest.raises(Replayed):
        await send(api, "k", body=LARGE * 20_000)
    assert files_of(api) == before
    standing = await api.house.booking.caps.standing(api.house.db, api.inbox)
    assert standing.used == 1


async def test_something_else_under_the_key_is_a_mismatch(api: Api) -> None:
    await send(api, "k")
    with pytest.raises(IdempotencyMismatch):
        await send(api, "k", fingerprint="another")
    assert await count(api, "messages") == 1


async def test_a_refused_message_leaves_the_key_free(make_api: MakeApi) -> None:
    api = await make_api({"policy.default_daily_cap": 0})
    with pytest.raises(DailyCapReached):
        await send(api, "k")
    assert await count(api, "idempotency") == 0


async def test_without_a_key_each_is_a_message_of_its_own(api: Api) -> None:
    first, second = await send(api, None), await send(api, None)
    assert first.id != second.id
    assert await count(api, "messages") == 2
