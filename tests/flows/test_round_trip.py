"""Out, back, and answered: what an application sends comes back as a reply, and a program answers it.

Whatever the far side makes of the header: it keeps it, it rewrites every
Message-ID on its way, or it drops them; and the webhook tells of it.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import svix

from api.app import build_app
from api.house import House as Rooms
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from relay.events.watch import EventWatch
from relay.store.database import Transaction
from relay.tenants import key_changes
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks.assembly import build_sender
from tests.api.client import Client
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, letter
from tests.flows.letters import received
from tests.relay.webhooks.receiver import Receiver

pytestmark = pytest.mark.both_engines

INBOX = f"/v1/inboxes/app@{OURS}"
ANN = f"ann@{FAR}"


async def exposition() -> tuple[bytes, str]:
    return b"", "text/plain"


@pytest.fixture
async def open_house(make_house: MakeHouse) -> House:
    """A house whose webhooks may be on this machine, and whose relayed mail names a reply address."""
    house = await make_house({"webhooks.allow_private_networks": True})
    await house.mailbox(f"desk@{OURS}", signed_replies=True)
    return house


@pytest.fixture
async def program(open_house: House) -> AsyncIterator[Client]:
    """A program with a key."""
    house = open_house
    watch = EventWatch(house.station.db, timedelta(milliseconds=10))
    acceptor = house.way_out.acceptor
    rooms = Rooms(
        house.station, acceptor, acceptor.booking, watch, house.way_in.bench, exposition, house.renderer
    )

    async def work(tx: Transaction) -> str:
        made = await key_changes.create(tx, house.clock, DEFAULT_TENANT, key_changes.NewKey(name="program"))
        return made.secret

    yield Client(build_app(rooms), await house.station.db.transact(work))
    watch.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    server = await Receiver.start()
    yield server
    await server.stop()


def as_far(house: House) -> Parsed:
    """The newest message at the far side."""
    header, _, body = house.mx.received[-1].content.partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


def reply_of(question: Parsed, fate: str) -> bytes:
    """What Ann's program and the servers on its way make of her answer."""
    ids = {
        "kept": [f"In-Reply-To: {question.message_id}", f"References: {question.message_id}"],
        "rewritten": ["In-Reply-To: <changed@relay.example>", "References: <changed@relay.example>"],
        "dropped": [],
    }[fate]
    subject = "something else" if fate == "dropped" else f"Re: {question.subject}"
    head = [f"From: Ann <{ANN}>", f"Subject: {subject}", "Message-ID: <b1@far.example>", *ids]
    return ("\r\n".join(head) + "\r\n\r\nTuesday suits us.\r\n").encode()


@pytest.mark.parametrize("fate", ["kept", "rewritten", "dropped"])
async def test_a_reply_comes_home_and_is_answered(
    open_house: House, program: Client, endpoint: Receiver, fate: str
) -> None:
    house, sender = open_house, build_sender(open_house.station)
    wanted = {"url": endpoint.url, "events": ["message.received", "message.replied"]}
    made = (await program.post("/v1/webhooks", wanted)).json
    asked = await house.submit(
        ANN, sender=f"desk@{OURS}", message=letter(f"desk@{OURS}", ANN, subject="Your order")
    )
    await house.run_until_idle()
    question = as_far(house)

    back_to = question.reply_to[0].address if fate != "kept" else f"desk@{OURS}"
    reply = await received(house, reply_of(question, fate), back_to)
    await sender.step()
    await sender.idle()

    thread = (await program.get(f"/v1/threads/{reply.thread_id}")).json
    assert [message["id"] for message in thread["messages"]] == [asked.id, reply.message_id]
    (delivered,) = thread["messages"][0]["recipients"]
    assert (delivered["status"], delivered["reason"]) == ("delivered", None)
    found_by = "in_reply_to" if fate == "kept" else "reply_address"
    assert thread["messages"][1]["match"]["method"] == found_by
    told = {request.event["type"]: request for request in endpoint.requests}
    assert set(told) == {"message.received", "message.replied"}
    for request in told.values():
        check_signature(request.headers, request.body, made["secret"])

    answer = {"text": "Then Tuesday it is."}
    path = f"/v1/inboxes/desk@{OURS}/threads/{reply.thread_id}/reply"
    sent: Any = (await program.post(path, answer)).json
    await house.run_until_idle()
    arrived = as_far(house)
    assert arrived.message_id == sent["message_id"]
    assert arrived.in_reply_to == ("<b1@far.example>",)
    assert arrived.references[-1] == "<b1@far.example>"
    assert (arrived.to[0].address, sent["thread_id"]) == (ANN, reply.thread_id)
    await sender.stop(timedelta())


def check_signature(headers: dict[str, str], body: bytes, secret: str) -> None:
    """Both libraries would have signed it so; the clock of the house is not theirs, so they cannot verify."""
    id_, at = headers["webhook-id"], datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signed = standardwebhooks.Webhook(secret).sign(id_, at, body.decode())
    assert headers["webhook-signature"] == headers["svix-signature"] == signed
    assert svix.Webhook(secret).sign(id_, at, body.decode()) == signed
