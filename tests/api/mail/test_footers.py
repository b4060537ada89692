"""Whose footer stands below an email, and in which form."""

from typing import Any

import pytest

from relay.estate import tenants as estate
from relay.tenants.tenants import DEFAULT_TENANT, Settings, TenantChanges
from tests.api.mail.test_over_the_wire import Keys, dns, house, keys, make_house, mx
from tests.api.mail.wired import Wire, ours
from tests.flows.house import FAR, OURS, House

__all__ = ["dns", "house", "keys", "make_house", "mx"]

HTML = "<body><p>Hi</p></body>"
TENANT = Settings(footer_text="Acme & Sons", postal_address="1 High St\nSpringfield")
ADDRESS = ["1 High St", "Springfield"]
BRAND = {"name": "shop", "footer_html": "<hr><b>Shop &amp; Co</b>", "postal_address": "2 Low St"}


@pytest.fixture
def wire(house: House, keys: Keys) -> Wire:
    return Wire(house, keys.live)


async def settle(wire: Wire, settings: Settings) -> None:
    """What the tenant wants of all its mail."""
    station = wire.house.station
    work = estate.changing(station, DEFAULT_TENANT, TenantChanges(settings=settings))
    await station.directory.change(work)


async def lines(wire: Wire, **wish: Any) -> list[str]:
    """What stands in the text of an email that came to the far side, below what its author wrote."""
    await wire.send(**{"text": "Hi", "html": HTML, **wish})
    first, *rest = wire.arrived().text.splitlines()
    assert first == "Hi"
    return rest[1:]


async def test_the_nearest_footer_is_the_mails(wire: Wire) -> None:
    assert await lines(wire) == []
    await settle(wire, TENANT)
    assert await lines(wire) == ["Acme & Sons", *ADDRESS]
    assert "<p>Hi</p><div" in (wire.arrived().html or "")
    assert "Acme &amp; Sons<br>1 High St<br>Springfield</div></body>" in (wire.arrived().html or "")

    await wire.live.post("/v1/brands", BRAND)
    assert await lines(wire, brand="shop") == ["Shop & Co", "2 Low St"]
    assert "<p>Hi</p><hr><b>Shop &amp; Co</b><div" in (wire.arrived().html or "")

    own = await lines(wire, brand="shop", unsubscribe={"footer": "Ann\nat the <Shop>"})
    assert own[:-1] == ["Ann", "at the <Shop>", "2 Low St"]
    assert "Ann<br>at the &lt;Shop&gt;<br>2 Low St<br><a" in (wire.arrived().html or "")


async def test_a_brand_without_words_has_its_tenants_and_its_own_address(wire: Wire) -> None:
    await settle(wire, TENANT)
    await wire.live.post("/v1/brands", {"name": "shop", "postal_address": "2 Low St"})
    assert await lines(wire, brand="shop") == ["Acme & Sons", "2 Low St"]


async def test_an_address_that_the_footer_says_is_not_said_twice(wire: Wire) -> None:
    await settle(wire, Settings(postal_address="1 High St"))
    assert await lines(wire, unsubscribe={"footer": "Acme, 1 High St"}) == ["Acme, 1 High St", _left(wire)]


async def test_an_email_may_leave_the_footer_out(wire: Wire) -> None:
    await settle(wire, TENANT)
    assert await lines(wire, footer=False) == []
    assert await lines(wire, footer=False, unsubscribe={"footer": "Ann"}) == ["Ann", _left(wire)]
    assert await lines(wire, footer=False, unsubscribe=True) == []


async def test_a_footer_may_name_the_page_itself(wire: Wire) -> None:
    await settle(
        wire, Settings(footer_html='<a href="{{unsubscribe_url}}">No more</a>', postal_address="1 St")
    )
    assert await lines(wire, track_clicks=True) == ["No more", "1 St", _left(wire)]
    assert wire.links() == [_page(wire)]
    assert (await wire.browse("GET", _page(wire))).status == 200
    # Where several share one mail, and where the email says so, nobody's page is named.
    for wish in ({"to": [f"ann@{FAR}", f"bob@{FAR}"]}, {"unsubscribe": False}):
        assert await lines(wire, **wish) == ["No more", "1 St"]
        (link,) = wire.links()
        assert link.startswith("mailto:")
        assert not wire.arrived().first("list-unsubscribe")


async def test_each_of_a_batch_has_the_brands_footer_and_links(wire: Wire) -> None:
    await wire.settings(tracking_host=f"links.{OURS}")
    brand = {"footer_text": "The Shop {{unsubscribe_url}}", "tracking_host": f"links.{OURS}"}
    await wire.live.post("/v1/brands", {"name": "shop", **brand})
    common = {"from": f"app@{OURS}", "brand": "shop", "subject": "News", "track_clicks": True}
    common["html"] = '<a href="https://shop.example/">look</a>'
    who = [{"email": f"{name}@{FAR}"} for name in ("ann", "bob")]
    answer = await wire.live.post("/v1/emails/batch", {**common, "recipients": who})
    assert answer.json["accepted"] == 2
    await wire.house.run_until_idle()
    assert len(ours(wire.links())) == 1
    assert all(f"//links.{OURS}" in link for link in wire.links())
    assert f"The Shop {_page(wire)}" in wire.arrived().text
    pages = {received.content.partition(b"The Shop ")[2].split()[0] for received in wire.house.mx.received}
    assert len(pages) == 2


async def test_mail_that_people_write_and_the_letter_that_is_kept_have_no_footer(wire: Wire) -> None:
    await settle(wire, TENANT)
    sent = await wire.send(text="Hi")
    assert (await wire.live.get(f"/v1/emails/{sent}")).json["text"] == "Hi"
    written = {"to": f"ann@{FAR}", "text": "Hi"}
    assert (await wire.live.post(f"/v1/inboxes/app@{OURS}/messages", written)).status == 201
    await wire.house.run_until_idle()
    assert wire.arrived().text.strip() == "Hi"


async def test_the_authors_own_footer_is_read_by_those_who_guard(wire: Wire) -> None:
    await settle(wire, Settings(footer_text="https://acme.example/imprint"))
    await wire.live.patch(f"/v1/inboxes/app@{OURS}/guards", {"links": "known"})
    assert (await wire.ask(text="Hi")).status == 201
    refused = await wire.ask(text="Hi", unsubscribe={"footer": "https://evil.example/"})
    assert (refused.status, refused.code) == (403, "link_not_allowed")


def _page(wire: Wire) -> str:
    return wire.arrived().first("list-unsubscribe").partition(">")[0].removeprefix("<")


def _left(wire: Wire) -> str:
    return f"Unsubscribe: {_page(wire)}"
