"""What the API sends reaches the far MX, and what comes back is answered: with the whole house."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from api.app import build_app
from api.house import House as ApiHouse
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from relay.events.watch import EventWatch
from relay.store.database import Transaction
from relay.tenants import key_changes
from relay.tenants.key_changes import NewKey
from relay.tenants.tenants import DEFAULT_TENANT
from tests.api.client import Answer, Client
from tests.flows.conftest import dns, house, make_house, mx
from tests.flows.house import FAR, OURS, House
from tests.flows.test_inbound import deliver

__all__ = ["dns", "house", "make_house", "mx"]

PATH = f"/v1/inboxes/app@{OURS}"


async def exposition() -> tuple[bytes, str]:
    return b"", "text/plain"


class Keys:
    """A live and a test key for the house."""

    def __init__(self, live: Client, test: Client) -> None:
        self.live = live
        self.test = test


@pytest.fixture
async def keys(house: House) -> AsyncIterator[Keys]:
    watch = EventWatch(house.station.db, timedelta(milliseconds=10))
    rooms = ApiHouse(
        station=house.station,
        acceptor=house.way_out.acceptor,
        booking=house.way_out.booking,
        watch=watch,
        bench=house.way_in.bench,
        renderer=house.renderer,
        exposition=exposition,
    )
    app = build_app(rooms)

    async def client(mode: Any) -> Client:
        async def work(tx: Transaction) -> str:
            new = NewKey(name=mode, mode=mode)
            return (await key_changes.create(tx, house.clock, DEFAULT_TENANT, new)).secret

        return Client(app, await house.station.db.transact(work))

    yield Keys(await client("live"), await client("test"))
    watch.close()


def taken(answer: Answer) -> Any:
    assert answer.status in (200, 201), answer.body
    return answer.json


def arrived(house: House) -> Parsed:
    """The only message at the far side."""
    (received,) = house.mx.received
    header, _, body = received.content.partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


async def test_mail_and_its_files_reach_the_far_side(house: House, keys: Keys) -> None:
    octets = bytes(range(256)) * 999
    files = [{"filename": "map.pdf", "content": base64.b64encode(octets).decode()}]
    wish = {
        "to": f"Ann <ann@{FAR}>",
        "bcc": f"eve@{FAR}",
        "subject": "Grüße",
        "text": "Hallo",
        "attachments": files,
    }
    sent = taken(await keys.live.post(f"{PATH}/messages", wish))
    await house.run_until_idle()
    stands = taken(await keys.live.get(f"{PATH}/messages/{sent['id']}"))
    assert stands["status"] == "delivered"
    assert {each["mx"] is not None for each in stands["recipients"]} == {True}
    far = arrived(house)
    assert (far.subject, far.text.strip(), far.message_id) == ("Grüße", "Hallo", sent["message_id"])
    assert far.first("dkim-signature")
    assert [(each.filename, each.size) for each in far.attachments] == [("map.pdf", len(octets))]


async def test_a_trial_takes_the_path_and_goes_to_nobody(house: House, keys: Keys) -> None:
    sent = taken(
        await keys.test.post(f"{PATH}/messages", {"to": [f"ann@{FAR}", f"app@{OURS}"], "text": "Hi"})
    )
    assert sent["test"] is True
    await house.run_until_idle()
    stands = taken(await keys.test.get(f"{PATH}/messages/{sent['id']}"))
    assert (stands["status"], {each["mx"] for each in stands["recipients"]}) == ("delivered", {"sandbox"})
    assert house.mx.received == []
    assert await house.received_by(f"app@{OURS}") == []
    assert await house.used_today() == 0


async def test_a_trial_draft_and_answer_go_to_nobody_either(house: House, keys: Keys) -> None:
    await deliver(
        house, f"<app@{OURS}>", content=b"From: Ann <ann@far.example>\r\nSubject: Offer\r\n\r\nHi\r\n"
    )
    await house.run_until_idle()
    (came,) = taken(await keys.test.get(f"{PATH}/messages"))["data"]
    answer = taken(await keys.test.post(f"{PATH}/messages/{came['id']}/reply", {"text": "Yes."}))
    draft = taken(await keys.test.post(f"{PATH}/drafts", {"to": f"ann@{FAR}"}))
    assert taken(await keys.test.post(f"{PATH}/drafts/{draft['id']}/send"))["test"] is True
    await house.run_until_idle()
    assert taken(await keys.test.get(f"{PATH}/messages/{answer['id']}"))["status"] == "delivered"
    assert house.mx.received == []
    assert await house.used_today() == 0


async def test_a_question_from_afar_is_answered_in_its_thread(house: House, keys: Keys) -> None:
    first = taken(
        await keys.live.post(f"{PATH}/messages", {"to": f"ann@{FAR}", "subject": "Offer", "text": "?"})
    )
    await house.run_until_idle()
    asked = arrived(house)
    address = asked.reply_to[0].address
    head = f"From: Ann <ann@{FAR}>\r\nTo: {address}\r\nSubject: another matter\r\nMessage-ID: <q@{FAR}>"
    content = f"{head}\r\n\r\nWhy?\r\n"
    await deliver(house, f"<{address}>", content=content.encode())
    await house.run_until_idle()
    (reply,) = taken(await keys.live.get("/v1/replies"))["data"]
    assert (reply["thread_id"], reply["match"]["method"]) == (first["thread_id"], "reply_address")
    house.mx.received.clear()
    taken(await keys.live.post(f"{PATH}/threads/{first['thread_id']}/reply", {"text": "So.", "quote": True}))
    await house.run_until_idle()
    answer = arrived(house)
    assert answer.in_reply_to == (f"<q@{FAR}>",)
    assert answer.references[-1] == f"<q@{FAR}>"
    assert answer.subject == "Re: another matter"
    assert "> Why?" in answer.text


async def test_mail_to_ourselves_is_in_both_hands(house: House, keys: Keys) -> None:
    await house.mailbox(f"desk@{OURS}")
    sent = taken(
        await keys.live.post(f"{PATH}/messages", {"to": f"desk@{OURS}", "subject": "In", "text": "Hi"})
    )
    await house.run_until_idle()
    (came,) = taken(await keys.live.get(f"/v1/inboxes/desk@{OURS}/messages"))["data"]
    assert (came["direction"], came["message_id"]) == ("in", sent["message_id"])
    back = f"/v1/inboxes/desk@{OURS}/messages/{came['id']}/reply"
    taken(await keys.live.post(back, {"text": "Ho"}))
    await house.run_until_idle()
    thread = taken(await keys.live.get(f"{PATH}/threads/{sent['thread_id']}"))
    assert [message["direction"] for message in thread["messages"]] == ["out", "in"]
