"""What a mailbox makes of mail: letters, as far people write them and as the house has read them."""

from inbound.letters import records, texts
from inbound.letters.letter import Letter
from inbound.letters.texts import Text
from relay.address import Address, parse_address
from relay.tenants import reply_address
from tests.flows.house import FAR, OURS, House, Sent
from tests.flows.test_inbound import deliver

ANN = f"ann@{FAR}"
APP = f"app@{OURS}"


def written(*fields: str, subject: str = "Re: Invoice 7", body: str = "Tuesday suits us.\r\n") -> bytes:
    """A letter from Ann."""
    head = [f"From: Ann <{ANN}>", f"To: {APP}", f"Subject: {subject}", *fields]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


async def post(house: House, content: bytes, to: str = APP, *, sender: str = ANN) -> str:
    """Bring mail to port 25; returns the id of the message, which nobody has read yet."""
    replies = await deliver(house, f"<{to}>", content=content, sender=sender)
    assert replies[-1].startswith("250 2.0.0 received as "), replies
    return replies[-1].rsplit(" ", 1)[-1]


async def received(house: House, content: bytes, to: str = APP, *, sender: str = ANN) -> Letter:
    """Mail from afar, delivered and read."""
    id_ = await post(house, content, to, sender=sender)
    await house.run_until_idle()
    return await letter_of(house, id_)


async def letter_of(house: House, message_id: str) -> Letter:
    found = await records.find(house.station.db, message_id)
    assert found is not None
    return found


async def text_of(house: House, letter: Letter) -> Text:
    found = await texts.find(house.station.db, letter.message_id)
    assert found is not None
    return found


async def reply_to(house: House, sent: Sent, mailbox: str = APP) -> Address:
    """The signed address that mail which names it is answered to."""
    return reply_address.encode(sent.id, house.station.bounce_secret, parse_address(mailbox))
