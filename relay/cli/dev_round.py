"""One message sent round the whole house, by an application and a program: what the receipt of `dev` tells.

An application hands it in over SMTP, the far side catches it, an inbox here
receives it, a program answers it over HTTP, and the answer finds its thread.
"""

import asyncio
import json
import smtplib
import ssl
import time
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from inbound.letters import records
from inbound.letters.letter import Letter
from relay.address import parse_address
from relay.daemon.demo import APPLICATION, FAR, INBOX, Credentials
from relay.daemon.process import Running
from relay.daemon.sink import SinkDoor
from relay.errors import PosthouseError
from relay.queue import records as queue
from relay.queue.state import FINAL
from relay.spool import records as spool

API = "http://127.0.0.1:8025"
PATIENCE_SECONDS = 30.0
ANSWER = "Then the mail goes on."


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the receipt; `seconds` since the message was handed in."""

    what: str
    detail: str
    seconds: float


@dataclass(slots=True)
class Receipt:
    """The lines so far, and the message that they are about."""

    message_id: str = ""
    steps: list[Step] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def tick(self, what: str, detail: str) -> None:
        self.steps.append(Step(what, detail, time.monotonic() - self._began))


async def send_round(running: Running, sink: SinkDoor, credentials: Credentials) -> Receipt:
    """Hand in one message for the far side and for a mailbox here; follow it, and the answer to it."""
    receipt = Receipt()
    tls, reply = await asyncio.to_thread(_submit, credentials)
    receipt.message_id = reply.rsplit(" ", 1)[-1]
    receipt.tick("submitted", f"{APPLICATION} on 2587, STARTTLS {tls}, AUTH")
    receipt.tick("stored", f"250 {reply}")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sink.arrived.wait()
        receipt.tick("delivered", f"to {FAR}, by SMTP to the built-in sink")
        for verdict in sink.caught[-1].signatures:
            receipt.tick("verified", verdict)
        await _settled(running, receipt.message_id)
        letter = await _newest_letter(running, INBOX)
        receipt.tick("received", f"by {INBOX}, and read: {letter.subject!r}")
        answer = await asyncio.to_thread(_answer, credentials, letter)
        receipt.tick("answered", f"by a program, over HTTP: {answer['id']}")
        await _settled(running, answer["id"])
        reply_letter = await _newest_letter(running, APPLICATION)
        receipt.tick("threaded", f"at {APPLICATION}, known by {reply_letter.match.method}")
    return receipt


def _submit(credentials: Credentials) -> tuple[str, str]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own certificate, on loopback
    message = (
        f"From: Demo application <{APPLICATION}>\r\nTo: {FAR}, {INBOX}\r\n"
        "Subject: The first ride\r\n\r\nFresh horses are ready.\r\n"
    )
    with smtplib.SMTP("127.0.0.1", 2587, timeout=PATIENCE_SECONDS) as client:
        client.starttls(context=context)
        client.login(credentials.login, credentials.smtp_password)
        client.mail(APPLICATION)
        for recipient in (FAR, INBOX):
            client.rcpt(recipient)
        code, reply = client.data(message)
        assert isinstance(client.sock, ssl.SSLSocket)
        version = client.sock.version() or "?"
    if code != 250:
        raise PosthouseError(f"the demo message was refused: {code} {reply.decode()}")
    return version, reply.decode()


def _answer(credentials: Credentials, letter: Letter) -> Any:
    """What a program does: POST …/reply."""
    request = urllib.request.Request(  # noqa: S310 - it is our own address
        f"{API}/v1/inboxes/{INBOX}/messages/{letter.message_id}/reply",
        json.dumps({"text": ANSWER, "quote": True}).encode(),
        {"Authorization": f"Bearer {credentials.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310
        return json.load(response)


async def _settled(running: Running, message_id: str) -> None:
    while True:
        recipients = await queue.of_message(running.station.db, message_id)
        if all(recipient.state in FINAL for recipient in recipients):
            return
        await asyncio.sleep(0.01)


async def _newest_letter(running: Running, address: str) -> Letter:
    """The newest message that a mailbox received, as soon as it has been read."""
    mailbox = await running.station.directory.mailbox_for_address(parse_address(address))
    assert mailbox is not None
    (newest,) = await spool.received_by(running.station.db, mailbox.id, 1)
    while True:
        letter = await records.find(running.station.db, newest.id)
        if letter is not None:
            return letter
        await asyncio.sleep(0.01)
