"""The API with a way in beside it: what is sent here is asked for there, and mail can come."""

from dataclasses import dataclass
from typing import Any

import pytest

from inbound.assembly import WayIn, build_way_in
from inbound.authenticate.results import ArcResult, Authentication, DmarcResult, SpfResult
from inbound.letters import records
from inbound.letters.letter import Letter
from inbound.receive import Findings
from relay.address import parse_address
from relay.events import log
from relay.events.log import Event
from relay.message.content import ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin
from relay.tenants import reply_address
from relay.tenants.mailboxes import Mailbox
from tests.api.client import Answer, Client
from tests.api.conftest import OURS, Api, MakeApi

FAR = "far.example"
AUTHENTIC = Authentication(
    SpfResult("pass", FAR), (), DmarcResult("pass", FAR, FAR, "reject", "spf"), ArcResult(), FAR
)


@dataclass(slots=True)
class Desk:
    """Somebody who sends and reads mail by program, with the live key unless another is named."""

    api: Api
    way_in: WayIn

    @property
    def path(self) -> str:
        """The inbox's own."""
        return f"/v1/inboxes/{self.api.inbox.id}"

    async def try_to_send(self, client: Client | None = None, **wish: Any) -> Answer:
        """POST messages: to Ann, unless the wish says otherwise.

        `from_` is the field from; `...` leaves a field out.
        """
        document = _named({"to": f"ann@{FAR}", "subject": "Invoice 7", "text": "Please pay.", **wish})
        return await (client or self.api.live).post(f"{self.path}/messages", document)

    async def send(self, client: Client | None = None, **wish: Any) -> Any:
        """The message that was taken."""
        return _of(await self.try_to_send(client, **wish), 201)

    async def get(self, target: str, client: Client | None = None) -> Any:
        """What stands at a path of the inbox."""
        return _of(await (client or self.api.live).get(self.path + target), 200)

    async def post(self, target: str, document: Any = None) -> Any:
        """What came of it: 200 or 201."""
        answer = await self.api.live.post(self.path + target, document or {})
        return _of(answer, 201 if answer.status == 201 else 200)

    async def patch(self, target: str, document: Any) -> Any:
        return _of(await self.api.live.patch(self.path + target, document), 200)

    async def arrives(
        self,
        content: bytes,
        *,
        to: str | None = None,
        mailbox: Mailbox | None = None,
        client: str = "192.0.2.1",
    ) -> Letter:
        """Mail that comes in and is read."""
        recipient = parse_address(to) if to else (mailbox or self.api.inbox).address
        writer = ContentWriter(self.api.house.station.shelf.incoming, size_limit=1 << 26)
        writer.feed(content)
        envelope = Envelope(parse_address(f"ann@{FAR}"), [EnvelopeRecipient(recipient)])
        try:
            (id_,) = await self.way_in.receiver.receive(
                envelope, writer.finish(), Origin(source="smtp", client=client), Findings(AUTHENTIC)
            )
        finally:
            writer.discard()
        while await self.way_in.reader.step():
            pass
        letter = await records.find(self.api.house.db, id_)
        assert letter is not None
        return letter

    async def block(self, sender: str) -> None:
        """Nobody of the inbox hears from this address."""
        answer = await self.api.live.post("/v1/lists/receive/block", {"entry": sender})
        assert answer.status in (200, 201), answer

    async def events(self, message_id: str, kind: str) -> list[Event]:
        found = await log.of_message(self.api.house.db, message_id)
        return [event for event in found if event.kind == kind]

    async def raw(self, message_id: str) -> bytes:
        answer = await self.api.live.get(f"{self.path}/messages/{message_id}/raw")
        assert answer.status == 200, answer
        return answer.body

    async def count(self, table: str) -> int:
        row = await self.api.house.db.fetch_one(f"select count(*) as found from {table}")  # noqa: S608
        assert row is not None
        return int(row["found"])

    async def used(self) -> int:
        return (await self.api.house.booking.caps.standing(self.api.house.db, self.api.inbox)).used

    def reply_address_of(self, message_id: str) -> str:
        """Where an answer to a message of ours is to be sent."""
        secret = self.api.house.station.bounce_secret
        return str(reply_address.encode(message_id, secret, self.api.inbox.address))


def mail(
    *fields: str, subject: str = "Hello", body: str = "Tuesday suits us.\r\n", sender: str = ""
) -> bytes:
    """A message of Ann's."""
    sender = sender or f"Ann <ann@{FAR}>"
    head = [f"From: {sender}", f"To: app@{OURS}", f"Subject: {subject}", *fields]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def problem(answer: Answer) -> tuple[int, str, str]:
    """Status, code and the path of the first thing that is wrong."""
    errors = answer.json.get("errors") or [{"path": ""}]
    return answer.status, answer.code, errors[0]["path"]


def _named(wish: dict[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in wish.items() if value is not ...}


def _of(answer: Answer, status: int) -> Any:
    assert answer.status == status, (answer.status, answer.body[:2000])
    return answer.json


@pytest.fixture
async def desk(make_api: MakeApi) -> Desk:
    """A desk at the defaults."""
    return await sit_down(make_api)


async def sit_down(make_api: MakeApi, settings: dict[str, Any] | None = None) -> Desk:
    """A desk with settings of the test's own."""
    api = await make_api(settings)
    return Desk(api, build_way_in(api.house.station, api.house.bench))
