"""What became of real mail, counted from what the rooms wrote: as anybody would count at the far side."""

from relay.analytics.follower import build_follower
from tests.flows.house import FAR, House, letter
from tests.relay.analytics.ledger import times, total

TENANT = "ten_default"


async def counted(house: House, facet: str = "all", value: str = "") -> dict[str, int]:
    await build_follower(house.station).step()
    return await total(house.station.db, TENANT, facet, value)


async def test_mail_is_sent_once_and_delivered_however_long_it_takes(house: House) -> None:
    house.mx.answers(f"ann@{FAR}", "451 4.7.1 greylisted", then="250 2.0.0 ok")
    house.mx.answers(f"bob@{FAR}", "550 5.1.1 nobody here")
    await house.submit(to=[f"ann@{FAR}", f"bob@{FAR}", f"eve@{FAR}"])
    await house.run_until_idle()
    expected = {"accepted": 3, "sent": 3, "delivered": 1, "deferred": 1, "bounced": 1}
    assert await counted(house) == expected
    house.clock.advance(minutes=6)
    await house.run_until_idle()
    # The notice to the sender is our own report, and is not counted.
    assert len(await house.notices()) == 1
    assert await counted(house) == {**expected, "delivered": 2}
    assert await counted(house, "provider", "other") == {
        name: count for name, count in {**expected, "delivered": 2}.items() if name != "accepted"
    }
    assert await counted(house, "domain", "ours.test") == {**expected, "delivered": 2}
    # One went at once, the other after more than five minutes.
    spans = {bucket for (span, facet, *_, bucket) in await times(house.station.db, TENANT) if facet == "all"}
    assert len(spans) == 2


async def test_mail_that_waits_behind_a_dead_destination_is_not_sent(house: House) -> None:
    await house.mx.stop()
    for number in range(4):
        await house.submit(to=f"ann{number}@{FAR}", message=letter("app@ours.test", f"ann{number}@{FAR}"))
    await house.run_until_idle()
    found = await counted(house)
    assert found["accepted"] == 4
    # However many were tried before it was known, nobody was sent to twice, and nobody without an attempt.
    tried = await house.station.db.fetch_one(
        "select count(*) as found from recipients where attempts > 0 and mailbox_id is not null"
    )
    assert tried is not None
    assert 1 <= found["sent"] == tried["found"]


async def test_tags_of_an_application_are_figures_of_their_own(house: House) -> None:
    tagged = b"X-Posthouse-Tag: welcome\r\n" + letter("app@ours.test", f"ann@{FAR}")
    await house.submit(to=f"ann@{FAR}", message=tagged)
    await house.submit(to=f"bob@{FAR}")
    await house.run_until_idle()
    assert await counted(house, "tag", "welcome") == {"accepted": 1, "sent": 1, "delivered": 1}
    assert (await counted(house))["delivered"] == 2
