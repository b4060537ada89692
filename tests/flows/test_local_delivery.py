"""Mail that stays in the house: somebody leaves as it is handed over, or it has been round too often."""

from inbound.local import Chunks, LocalDelivery
from relay.address import parse_address
from relay.message.content import Body
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.store.database import Transaction
from relay.tenants import mailbox_changes
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House

HEADER = f"From: ann@{FAR}\r\nSubject: Hello\r\n".encode()


class Farewell(LocalDelivery):
    """Removes a mailbox after it was looked up, and before it gets the message."""

    house: House
    leaver: str | None = f"ann@{OURS}"

    async def _receive(self, envelope: Envelope, header: bytes, body: Chunks) -> None:
        station, address = self.house.station, self.leaver
        self.leaver = None
        if address is not None:
            mailbox = await station.directory.mailbox_for_address(parse_address(address))
            assert mailbox is not None

            async def work(tx: Transaction) -> None:
                await mailbox_changes.remove(tx, station.clock, mailbox)

            await station.directory.change(work)
        await super()._receive(envelope, header, body)


async def codes(local: LocalDelivery, header: bytes, *to: str) -> list[int]:
    """What each recipient was answered."""
    envelope = Envelope(parse_address(f"ann@{FAR}"), [EnvelopeRecipient(parse_address(one)) for one in to])
    replies = await local.deliver(envelope, header, Body(data=b"Hello.\r\n", file=None, size=8))
    return [reply.code for reply in replies]


async def test_who_leaves_meanwhile_is_not_here_and_the_others_get_the_mail_once(house: House) -> None:
    await house.mailbox(f"ann@{OURS}")
    local = Farewell(house.way_in.receiver, house.station.config.limits)
    local.house = house
    assert await codes(local, HEADER, f"ann@{OURS}", f"app@{OURS}") == [550, 250]
    assert len(await house.received_by(f"app@{OURS}")) == 1


async def test_mail_that_goes_round_is_refused_for_good_and_not_tried_again(make_house: MakeHouse) -> None:
    house = await make_house({"limits.received_hops": 2})
    local = LocalDelivery(house.way_in.receiver, house.station.config.limits)
    header = b"Received: by x.test; Mon, 02 Mar 2026 08:00:00 +0000\r\n" * 3 + HEADER
    assert await codes(local, header, f"app@{OURS}", f"nobody@{OURS}") == [554, 550]
    assert await house.received_by(f"app@{OURS}") == []
