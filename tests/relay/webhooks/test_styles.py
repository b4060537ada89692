"""Receivers that verify another signature; compressed posts; fields, filters, and the order of events."""

import asyncio
import gzip
import hashlib
import hmac
from typing import Any

import pytest
import standardwebhooks

from relay.address import NULL_PATH
from relay.clock import SystemClock, to_us
from relay.errors import InvalidInput
from relay.events.kinds import EventKind
from relay.ids import new_id
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.database import Transaction
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks import endpoint_changes
from relay.webhooks.deliveries import Wishes
from relay.webhooks.endpoints import Endpoint
from tests.fakes.clock import FakeClock
from tests.relay.webhooks.desk import Desk
from tests.relay.webhooks.receiver import Receiver, Request

FIELD = "X-Shop-Signature"


def believes_first(request: Request, secret: str) -> bool:
    """`t=…,v1=…` as a receiver reads it that looks at the first signature."""
    stamp, first = request.headers[FIELD.lower()].split(",")[:2]
    signed = f"{stamp.split('=')[1]}.".encode() + request.body
    return hmac.compare_digest(first.split("=")[1], _hex(secret, signed))


def believes_last(request: Request, secret: str) -> bool:
    """The same for one that makes a dictionary of the parts, so that the last stands."""
    parts = dict(part.split("=") for part in request.headers[FIELD.lower()].split(","))
    return hmac.compare_digest(parts["v1"], _hex(secret, f"{parts['t']}.".encode() + request.body))


def believes_hex(request: Request, secret: str) -> bool:
    return hmac.compare_digest(request.headers[FIELD.lower()], _hex(secret, request.body))


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


STYLES = [("timestamped", believes_first), ("timestamped", believes_last), ("hex", believes_hex)]


def styled(style: Any, **wanted: Any) -> dict[str, Any]:
    return {"wishes": Wishes(signature_style=style, signature_header=FIELD, **wanted)}


async def a_message(desk: Desk, **facts: Any) -> Message:
    """A message that was sent, without recipients."""
    message = Message(
        id=new_id("msg", desk.clock),
        tenant_id=DEFAULT_TENANT,
        mailbox_id="inb_1",
        direction="out",
        source="api",
        reverse_path=NULL_PATH,
        header_from="Shop <shop@ours.test>",
        subject="Order 7",
        message_id="<1@ours.test>",
        size=1,
        body_size=1,
        created_at=to_us(desk.clock.now()),
        **facts,
    )
    await desk.db.transact(lambda tx: spool.insert(tx, message, StoredContent(b"", b"", None)))
    return message


async def rotated(desk: Desk, endpoint: Endpoint) -> str:
    async def work(tx: Transaction) -> str:
        fresh = await endpoint_changes.rotate(tx, desk.clock, DEFAULT_TENANT, endpoint.id)
        return fresh.secret

    return await desk.db.transact(work)


@pytest.mark.parametrize(("style", "believes"), STYLES)
async def test_a_receiver_of_each_style_believes_a_post_and_so_does_the_standard_library(
    style: str, believes: Any, desk: Desk, receiver: Receiver
) -> None:
    # The library looks at the machine's clock.
    desk.carrier.clock = desk.carrier.poster.clock = desk.clock = FakeClock(SystemClock().now())
    made = await desk.add(receiver.url, **styled(style))
    await desk.happens(data={"subject": "grüße"})
    await desk.run()
    (request,) = receiver.requests
    assert believes(request, desk.secrets[made.id])
    assert not believes(request, "whsec_another")
    standardwebhooks.Webhook(desk.secrets[made.id]).verify(request.body, request.headers)


@pytest.mark.parametrize(("style", "believes"), STYLES)
async def test_while_a_secret_is_replaced_a_receiver_with_either_takes_the_second_post_at_the_latest(
    style: str, believes: Any, desk: Desk, receiver: Receiver
) -> None:
    receiver.answers(401)
    made = await desk.add(receiver.url, **styled(style))
    old, new = desk.secrets[made.id], await rotated(desk, made)
    await desk.happens()
    await desk.run()
    await desk.after(seconds=5)
    first, second = receiver.requests
    for secret in (old, new):
        assert believes(first, secret) or believes(second, secret)
    await desk.after(hours=25)
    assert not believes(receiver.requests[-1], old)
    assert believes(receiver.requests[-1], new)


async def test_a_compressed_post_is_signed_as_it_was_before(desk: Desk, receiver: Receiver) -> None:
    made = await desk.add(receiver.url, **styled("hex", gzip=True))
    await desk.happens(data={"recipient": "ann@far.example"})
    await desk.run()
    (request,) = receiver.requests
    assert request.headers["content-encoding"] == "gzip"
    whole = Request(request.line, request.headers, gzip.decompress(request.body))
    assert whole.event["data"] == {"recipient": "ann@far.example"}
    assert believes_hex(whole, desk.secrets[made.id])


async def test_fields_of_the_owner_go_with_each_post(desk: Desk, receiver: Receiver) -> None:
    fields = {"Authorization": "Bearer s3cret", "X-Trace": "a b"}
    made = await desk.add(receiver.url, wishes=Wishes(headers=fields))
    await desk.happens()
    await desk.run()
    (request,) = receiver.requests
    assert (request.headers["authorization"], request.headers["x-trace"]) == ("Bearer s3cret", "a b")
    assert made.header_names == ("Authorization", "X-Trace")
    await desk.change(made, wishes={"headers": {}})
    await desk.happens()
    await desk.run()
    assert "authorization" not in receiver.requests[-1].headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, "v")
            for name in ("Host", "content-length", "Content-Type", "Content-Encoding", "Connection")
        ],
        *[(name, "v") for name in ("Transfer-Encoding", "TE", "Trailer", "Upgrade", "Keep-Alive", "Expect")],
        *[(name, "v") for name in ("Proxy-Authorization", "User-Agent", "Webhook-Id", "svix-signature")],
        *[(name, "v") for name in ("", "X Y", "X:Y", "X\r\nY", "Grüße", "x" * 101, "X-Shop-Signature")],
        *[
            ("X-Y", value)
            for value in ("", " v", "v ", "a\r\nB: c", "a\nb", "a\0b", "grüße", "\x7f", "v" * 1001)
        ],
    ],
)
async def test_no_field_can_be_injected_or_take_the_place_of_ours(name: str, value: str, desk: Desk) -> None:
    wishes = Wishes(signature_style="hex", signature_header=FIELD, headers={name: value})
    with pytest.raises(InvalidInput):
        await desk.add("https://app.example/", wishes=wishes)
    made = await desk.add("https://app.example/", **styled("hex"))
    with pytest.raises(InvalidInput):
        await desk.change(made, wishes={"headers": {name: value}})


@pytest.mark.parametrize(
    "wishes",
    [
        Wishes(signature_style="hex"),
        Wishes(signature_header=FIELD),
        Wishes(signature_style="hex", signature_header="Host"),
        Wishes(signature_style="hex", signature_header="a\r\nb"),
        Wishes(headers={"X-A": "1", "x-a": "2"}),
        Wishes(headers={f"X-{number}": "v" for number in range(11)}),
    ],
)
async def test_wishes_that_contradict_themselves_are_refused(wishes: Wishes, desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        await desk.add("https://app.example/", wishes=wishes)


async def test_what_was_said_of_a_message_goes_with_each_of_its_events(
    desk: Desk, receiver: Receiver
) -> None:
    message = await a_message(desk, tags=("order",), metadata={"order": "7"}, stream="news", batch_id="bat_1")
    await desk.add(receiver.url)
    await desk.happens(EventKind.MESSAGE_OPENED, message_id=message.id, data={"recipient": "ann@far.example"})
    await desk.run()
    assert receiver.requests[0].event["data"] == {
        "message_id": message.id,
        "from": "Shop <shop@ours.test>",
        "subject": "Order 7",
        "tags": ["order"],
        "metadata": {"order": "7"},
        "stream": "news",
        "batch_id": "bat_1",
        "recipient": "ann@far.example",
    }


async def test_filters_let_through_what_they_name(desk: Desk, receiver: Receiver) -> None:
    await desk.add(receiver.url, domains=("Ours.test",), tags=("order",))
    tagged = await a_message(desk, tags=("order", "x"), signing_domain="ours.test")
    for message in (
        await a_message(desk, tags=("order",), signing_domain="other.test"),
        await a_message(desk, tags=("news",), signing_domain="ours.test"),
        await a_message(desk, signing_domain="ours.test"),
        tagged,
    ):
        await desk.happens(message_id=message.id)
    await desk.happens(EventKind.KEY_CREATED)
    await desk.run()
    assert [request.event["data"]["message_id"] for request in receiver.requests] == [tagged.id]


async def test_the_events_of_a_domain_and_of_what_arrives_there_pass_its_filter(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.add(receiver.url, domains=("ours.test",))
    came = await a_message(desk)
    await desk.happens(EventKind.DOMAIN_VERIFIED, data={"domain": "ours.test"})
    await desk.happens(EventKind.DOMAIN_VERIFIED, data={"domain": "other.test"})
    await desk.happens(EventKind.MESSAGE_RECEIVED, message_id=came.id, data={"recipient": "a@ours.test"})
    await desk.run()
    assert [each.event["type"] for each in receiver.requests] == ["domain.verified", "message.received"]


async def test_trials_and_live_mail_are_told_apart(desk: Desk, receiver: Receiver, other: Receiver) -> None:
    """Even an event of a trial that bears no mark of it goes to no live endpoint."""
    await desk.add(receiver.url)
    await desk.add(other.url, is_test=True)
    message = await a_message(desk, is_test=True)
    live = await desk.happens(EventKind.MESSAGE_DELIVERED)
    of_trial = await desk.happens(EventKind.MESSAGE_OPENED, message_id=message.id)
    raised = await desk.happens(EventKind.MESSAGE_CLICKED, is_test=True)
    await desk.run()
    assert receiver.ids == [live.id]
    assert sorted(other.ids) == sorted([of_trial.id, raised.id])
    assert all(request.event["data"]["test"] for request in other.requests)


async def test_what_befell_one_message_is_posted_in_its_order(desk: Desk, receiver: Receiver) -> None:
    """However many posts are open at once; another message's events wait for none of it."""
    receiver.hold.clear()
    await desk.add(receiver.url)
    story = [EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_SENT, EventKind.MESSAGE_DELIVERED]
    told = [await desk.happens(kind, message_id="msg_1") for kind in story]
    beside = await desk.happens(message_id="msg_2")
    await desk.sender.step()
    async with asyncio.timeout(30):
        await receiver.has(2)
    assert sorted(receiver.ids) == sorted([told[0].id, beside.id])
    receiver.hold.set()
    await desk.sender.idle()
    await desk.run()
    assert [each for each in receiver.ids if each != beside.id] == [event.id for event in told]


async def test_one_that_is_not_taken_holds_the_next_up_for_its_first_post_alone(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers(500, then=204)
    await desk.add(receiver.url)
    first = await desk.happens(EventKind.MESSAGE_SENT, message_id="msg_1")
    second = await desk.happens(EventKind.MESSAGE_DELIVERED, message_id="msg_1")
    await desk.run()
    assert receiver.ids == [first.id, second.id]
    await desk.after(seconds=5)
    assert receiver.ids == [first.id, second.id, first.id]
