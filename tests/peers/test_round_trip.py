"""A conversation over real processes: our daemon, a Postfix as the far side, programs that answer."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dkim
import pytest
import standardwebhooks
import svix

from relay.clock import SystemClock
from relay.signing.keys import KeyRing
from relay.station import open_station
from relay.store.database import Transaction
from relay.tenants import domain_changes, domains
from tests.fakes.api_client import ApiClient, api_client, make_key
from tests.fakes.daemon import APPLICATION, OURS, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import receiver
from tests.peers.far_side import ANN, FarSide, far_side, fields_of
from tests.peers.postfix import needs_postfix
from tests.relay.webhooks.receiver import Receiver

__all__ = ["receiver"]

pytestmark = needs_postfix

INBOX = f"/v1/inboxes/{APPLICATION}"
QUESTION = "Shall we say Tuesday?"
ANSWER = "Tuesday suits us."
NOBODY = "nobody@far.example"


@pytest.fixture
async def far(make_daemon: MakeDaemon, dns: FakeDns) -> AsyncIterator[FarSide]:
    """The daemon runs, sends its mail for far.example to a Postfix, and gets that one's mail for us."""
    async with far_side(make_daemon, dns) as far:
        await bounces_come_here(far.daemon)
        await far.daemon.start()
        yield far


@pytest.fixture
async def api(far: FarSide) -> AsyncIterator[ApiClient]:
    async with api_client(far.daemon, await make_key(far.daemon)) as client:
        yield client


async def bounces_come_here(daemon: Daemon) -> None:
    """Its owner's word that bounces.ours.test leads here."""
    async with open_station(daemon.config, SystemClock()) as station:

        async def work(tx: Transaction) -> None:
            domain = await domains.find(tx, OURS)
            assert domain is not None
            await domain_changes.assume_verified(tx, station.clock, domain, receives=True, bounces=True)

        await station.directory.change(work)


async def submits(daemon: Daemon, recipient: str = ANN) -> None:
    """The application hands in a message of its own: port 587, STARTTLS, AUTH."""
    content = (
        f"From: App <{APPLICATION}>\r\nTo: {recipient}\r\nSubject: Your order\r\n"
        f"Message-ID: <order-7@app.test>\r\n\r\n{QUESTION}\r\n"
    )

    def talk() -> None:
        port = daemon.ports["submission"]
        with smtplib.SMTP("127.0.0.1", port, local_hostname="app.test") as client:
            client.starttls(context=ssl.create_default_context(cafile=str(daemon.ca_file)))
            client.login(APPLICATION, daemon.password)
            client.sendmail(APPLICATION, [recipient], content)

    await asyncio.to_thread(talk)


async def test_a_reply_with_its_references_comes_back_and_is_answered(
    far: FarSide, api: ApiClient, receiver: Receiver
) -> None:
    secret = await endpoint(api, receiver)
    await submits(far.daemon)
    question = fields_of(await far.receives())
    assert question["message-id"] == "<order-7@app.test>"
    assert "reply-to" not in question

    await far.answers(
        ANSWER, to=APPLICATION, in_reply_to="<order-7@app.test>", references="<order-7@app.test>"
    )

    thread = await joined(api, receiver, secret, "in_reply_to", "<order-7@app.test>")
    await answered_from_here(far, api, thread, references=["<order-7@app.test>"])


async def test_a_reply_with_rewritten_references_is_known_by_the_signed_address(
    far: FarSide, api: ApiClient, receiver: Receiver
) -> None:
    secret = await endpoint(api, receiver)
    letter = {"to": [ANN], "subject": "Your order", "text": QUESTION}
    sent = await api.post(f"{INBOX}/messages", letter)
    question = fields_of(await far.receives())
    signed = question["reply-to"]
    assert signed.startswith("app+r.")
    assert question["message-id"] == sent["message_id"]

    # A relay on the way gave the message another name, and the reply knows only that.
    changed = "<0100018f-3a@eu-west-1.relay.example>"
    await far.answers(ANSWER, to=signed, in_reply_to=changed, references=changed)

    thread = await joined(api, receiver, secret, "reply_address", signed)
    assert thread["id"] == sent["thread_id"]
    await answered_from_here(far, api, thread, references=[changed])


async def test_a_reply_without_references_is_known_by_the_signed_address(
    far: FarSide, api: ApiClient, receiver: Receiver
) -> None:
    secret = await endpoint(api, receiver)
    await api.patch(INBOX, {"signed_replies": True})
    await submits(far.daemon)
    signed = fields_of(await far.receives())["reply-to"]
    assert signed.startswith("app+r.")

    await far.answers(ANSWER, to=signed, subject="(no subject)")

    thread = await joined(api, receiver, secret, "reply_address", signed)
    await answered_from_here(far, api, thread, references=[])


async def test_what_the_far_side_accepts_and_bounces_later_is_told_and_suppressed(
    far: FarSide, api: ApiClient, receiver: Receiver
) -> None:
    await endpoint(api, receiver, "message.bounced")
    await submits(far.daemon, NOBODY)

    await receiver.has(1)
    event = receiver.requests[0].event
    assert (event["type"], event["data"]["recipient"]) == ("message.bounced", NOBODY)
    message = await api.get(f"{INBOX}/messages/{event['data']['message_id']}")
    (recipient,) = message["recipients"]
    assert (recipient["address"], recipient["status"]) == (NOBODY, "bounced")
    (suppressed,) = (await api.get("/v1/suppressions"))["data"]
    assert (suppressed["address"], suppressed["reason"]) == (NOBODY, "bounce")
    assert suppressed["source_message_id"] == message["id"]


async def endpoint(api: ApiClient, receiver: Receiver, *kinds: str) -> str:
    """A webhook for the kinds, by default those of a conversation; its secret."""
    events = kinds or ("message.received", "message.replied")
    made = await api.post("/v1/webhooks", {"url": receiver.url, "events": events})
    secret: str = made["secret"]
    return secret


async def joined(api: ApiClient, receiver: Receiver, secret: str, method: str, evidence: str) -> Any:
    """Both posts have come and are believed; the thread holds question and answer, and says why."""
    async with asyncio.timeout(60):
        await receiver.has(2)
    events = {}
    for request in receiver.requests:
        standardwebhooks.Webhook(secret).verify(request.body, request.headers)
        svix.Webhook(secret).verify(request.body, request.headers)
        events[request.event["type"]] = request.event["data"]
    received, replied = events["message.received"], events["message.replied"]
    assert (replied["reply"], received["match"]) == (received["message_id"], method)
    thread = await api.get(f"{INBOX}/threads/{received['thread_id']}")
    question, answer = thread["messages"]
    assert [question["direction"], answer["direction"]] == ["out", "in"]
    assert (question["id"], answer["id"]) == (replied["message_id"], received["message_id"])
    assert answer["match"] == {"method": method, "evidence": evidence}
    assert (await api.get(f"/v1/replies/{answer['id']}"))["extracted_text"].strip() == ANSWER
    return thread


async def answered_from_here(far: FarSide, api: ApiClient, thread: Any, *, references: list[str]) -> None:
    """An answer by the API is in Ann's mailbox, below her own, and signed."""
    path = f"{INBOX}/threads/{thread['id']}"
    sent = await api.post(f"{path}/reply", {"text": "Then Tuesday it is.", "quote": True})
    raw = await far.receives(2)
    found = fields_of(raw)
    hers = thread["messages"][1]["message_id"]
    assert found["message-id"] == sent["message_id"]
    assert found["in-reply-to"] == hers
    assert found["references"].split() == [*references, hers]
    assert found["to"] == f"Ann <{ANN}>"
    assert b"> Tuesday suits us." in raw
    assert believed(far.daemon, raw)
    assert len((await api.get(path))["messages"]) == 3


def believed(daemon: Daemon, raw: bytes) -> bool:
    """Whether dkimpy finds both signatures good by the keys that we would publish."""
    keys = KeyRing(Path(daemon.config.dkim.key_dir)).active(OURS)
    records = {f"{key.dns_name}.".encode(): key.dns_record.encode() for key in keys}
    message = dkim.DKIM(raw)
    return [message.verify(index, dnsfunc=lambda name, timeout=5: records[name]) for index in range(2)] == [
        True,
        True,
    ]
