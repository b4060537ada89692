"""The event log over HTTP: one's own, newest first, and followed without a gap."""

import asyncio
import json
from collections.abc import Sequence

from relay.events import log
from relay.events.kinds import EventKind
from relay.store.database import Transaction
from tests.api.client import StreamedAnswer
from tests.api.conftest import Api

SENT, DELIVERED = EventKind.MESSAGE_SENT, EventKind.MESSAGE_DELIVERED


async def happens(api: Api, *kinds: EventKind, foreign: bool = False, message: str = "msg_1") -> None:
    """Events of our inbox, or of the other tenant's."""
    inbox = api.foreign_inbox if foreign else api.inbox

    async def work(tx: Transaction) -> None:
        for kind in kinds:
            await log.append(
                tx,
                api.clock,
                kind,
                tenant_id=inbox.tenant_id,
                mailbox_id=inbox.id,
                message_id=message,
                data={"text": "two\nlines"},
            )

    await api.house.db.transact(work)
    api.house.watch.nudge()


async def kinds_of(api: Api, query: str = "") -> Sequence[str]:
    return [event["kind"] for event in (await api.live.get(f"/v1/events?{query}")).json["data"]]


async def test_events_are_ours_and_newest_first(api: Api) -> None:
    await happens(api, SENT, DELIVERED)
    await happens(api, EventKind.MESSAGE_BOUNCED, foreign=True)
    found = await kinds_of(api)
    assert found[:2] == ["message.delivered", "message.sent"]
    assert "message.bounced" not in found
    assert await kinds_of(api, f"inbox={api.inbox.id}&kind=message") == ["message.delivered", "message.sent"]
    assert (await api.live.get(f"/v1/events?inbox={api.foreign_inbox.id}")).status == 404


async def test_events_are_found_by_kind_inbox_and_message(api: Api) -> None:
    await happens(api, SENT, DELIVERED)
    await happens(api, SENT, message="msg_2")
    assert await kinds_of(api, "kind=message.sent") == ["message.sent"] * 2
    assert await kinds_of(api, "kind=message.sent&kind=message.delivered&message=msg_1") == [
        "message.delivered",
        "message.sent",
    ]
    assert await kinds_of(api, "inbox=app@ours.test&message=msg_2") == ["message.sent"]


async def test_events_go_page_by_page_and_from_a_place(api: Api) -> None:
    await happens(api, *[SENT] * 5)
    first = (await api.live.get("/v1/events?kind=message&limit=2")).json
    rest = (await api.live.get(f"/v1/events?kind=message&cursor={first['next_cursor']}")).json
    assert (len(first["data"]), len(rest["data"])) == (2, 3)
    assert first["has_more"]
    assert not rest["has_more"]
    oldest = rest["data"][-1]["id"]
    assert len(await kinds_of(api, f"kind=message&after={oldest}")) == 4
    assert len(await kinds_of(api, f"kind=message&after={first['data'][0]['id']}")) == 0


async def test_a_bound_key_sees_what_happens_in_its_inbox(api: Api) -> None:
    other = await api.mailbox("other@ours.test")
    bound = await api.client(mailbox=other)
    await happens(api, SENT)
    assert {event["inbox_id"] for event in (await bound.get("/v1/events")).json["data"]} == {other.id}
    assert (await bound.get(f"/v1/events?inbox={api.inbox.id}")).status == 404


async def test_the_stream_tells_what_happens_as_it_happens(api: Api) -> None:
    async with api.live.stream("/v1/events/stream?kind=message") as streamed:
        start = await streamed.start()
        assert (start.status, start.fields["content-type"]) == (200, "text/event-stream")
        assert (await streamed.piece()).startswith(b":")
        await happens(api, SENT, foreign=True)
        await happens(api, SENT)
        event = await streamed.event()
        document = json.loads(event["data"])
        assert event["event"] == document["kind"] == "message.sent"
        assert event["id"] == document["id"]
        assert document["inbox_id"] == api.inbox.id
        assert document["data"] == {"text": "two\nlines"}


async def test_a_client_that_comes_back_misses_nothing(api: Api) -> None:
    await happens(api, *[SENT] * 250)
    ids = [event["id"] for event in (await api.live.get("/v1/events?kind=message&limit=200")).json["data"]]
    last_seen = ids[-1]
    async with api.live.stream("/v1/events/stream?kind=message", last_event_id=last_seen) as streamed:
        assert [(await streamed.event())["id"] for _ in range(199)] == ids[:-1][::-1]
        await happens(api, DELIVERED)
        assert (await streamed.event())["event"] == "message.delivered"
    async with api.live.stream(f"/v1/events/stream?kind=message&cursor={last_seen}") as streamed:
        assert (await streamed.event())["id"] == ids[-2]


async def test_a_place_of_somebody_else_is_none(api: Api) -> None:
    await happens(api, SENT, foreign=True)
    theirs = (await api.foreign.get("/v1/events")).json["data"][0]["id"]
    answer = await api.live.get("/v1/events/stream", last_event_id=theirs)
    assert (answer.status, answer.code) == (422, "validation_error")


async def test_followers_of_a_bound_key_see_their_inbox_only(api: Api) -> None:
    other = await api.mailbox("other@ours.test")
    bound = await api.client(mailbox=other)
    async with bound.stream("/v1/events/stream") as streamed:
        await streamed.piece()
        await happens(api, SENT)
        await api.key(name="of the inbox", mailbox=other)
        assert (await streamed.event())["event"] == "key.created"


async def test_the_stream_ends_when_the_house_closes(api: Api) -> None:
    async with api.live.stream("/v1/events/stream") as streamed:
        await streamed.piece()
        api.house.watch.close()
        async with asyncio.timeout(30):
            await streamed.ended.wait()


async def test_the_stream_of_a_revoked_key_ends(api: Api) -> None:
    made = await api.key(name="doomed")
    doomed = type(api.live)(api.live.app, made.secret)
    async with doomed.stream("/v1/events/stream") as streamed:
        await streamed.piece()
        await api.live.delete(f"/v1/keys/{made.key.id}")
        api.house.watch.nudge()
        await _ends_without(streamed, b"key.revoked")


async def _ends_without(streamed: StreamedAnswer, text: bytes) -> None:
    async with asyncio.timeout(30):
        await streamed.ended.wait()
    while not streamed.is_empty:
        assert text not in await streamed.piece()
