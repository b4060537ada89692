"""The reverse path becomes a signed bounce address where its host is known to point here."""

from relay.address import parse_address
from relay.queue.state import State
from relay.tenants import bounce_address
from tests.flows.house import FAR, OURS, House


async def test_every_recipient_of_a_message_gets_the_same_signed_path(house: House) -> None:
    await house.domain("signed.test", bounces=True)
    await house.mailbox("app@signed.test")
    house.dns.mx("two.example", (10, f"mx.{FAR}"))
    house.mx.answers(f"late@{FAR}", "450 4.2.0 not now", then="250 2.0.0 ok")
    sent = await house.submit(to=[f"ann@{FAR}", "bob@two.example", f"late@{FAR}"], sender="app@signed.test")
    await house.run_until_idle()
    house.clock.advance(minutes=6)
    await house.run_until_idle()

    paths = {message.reverse_path for message in house.mx.received}
    assert len(house.mx.received) == 3
    (path,) = paths
    assert path.endswith("@bounces.signed.test")
    assert bounce_address.decode(parse_address(path), house.station.bounce_secret) == sent.id
    assert {recipient.state for recipient in await sent.recipients()} == {State.DELIVERED}


async def test_each_message_has_a_path_of_its_own(house: House) -> None:
    await house.domain("signed.test", bounces=True)
    await house.mailbox("app@signed.test")
    await house.submit(sender="app@signed.test")
    await house.submit(sender="app@signed.test")
    await house.run_until_idle()
    assert len({message.reverse_path for message in house.mx.received}) == 2


async def test_without_a_verified_host_the_path_stays(house: House) -> None:
    await house.submit()
    await house.run_until_idle()
    assert house.mx.received[0].reverse_path == f"app@{OURS}"


async def test_the_null_path_stays_null(house: House) -> None:
    await house.domain("signed.test", bounces=True)
    await house.mailbox("app@signed.test")
    await house.submit(sender="app@signed.test", reverse_path="")
    await house.run_until_idle()
    assert house.mx.received[0].reverse_path == ""
