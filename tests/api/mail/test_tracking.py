"""Tracked mail, from the API over SMTP to the far side, and back over HTTP into the log."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Iterator

import pytest

from relay.errors import StoreUnavailable
from relay.store.database import Transaction
from relay.tenants import domain_changes, key_changes, mailbox_changes, tenants
from relay.tenants.domains import Tracking
from relay.tenants.key_changes import NewKey
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.tenants import DEFAULT_TENANT
from relay.tracking import records, tokens
from relay.tracking.tokens import Token
from tests.api.client import Client
from tests.api.mail.test_over_the_wire import Keys, dns, house, keys, make_house, mx
from tests.api.mail.wired import FIREFOX, Wire, ours
from tests.flows.house import FAR, OURS, House

__all__ = ["dns", "house", "keys", "make_house", "mx"]

SHOP = "https://shop.example/order?id=7&copy=2#top"
HTML = (
    '<html><body><!--[if mso]><a href="https://shop.example/mso">x</a><![endif]-->\n'
    f"<p>Grüße, <a class=b href=\"{SHOP}\">buy</a> or <a href='mailto:shop@ours.test'>write</a>"
    ' or <a data-no-track href="https://shop.example/own">look</a></p></body></html>'
)


@pytest.fixture
def wire(house: House, keys: Keys) -> Wire:
    return Wire(house, keys.live)


async def test_nothing_is_tracked_unless_somebody_asks_for_it(wire: Wire) -> None:
    await wire.send(html=HTML)
    assert (wire.arrived().html or "").strip() == HTML
    assert not wire.arrived().first("list-unsubscribe")


async def test_a_link_is_followed_to_where_it_led_and_told(wire: Wire) -> None:
    sent = await wire.send(html=HTML, track_clicks=True)
    (link,) = ours(wire.links())
    assert wire.arrived().html.strip() == HTML.replace(SHOP, link)  # type: ignore[union-attr]
    assert "shop" not in link
    wire.house.clock.advance(minutes=5)
    answer = await wire.browse("GET", link)
    assert (answer.status, answer.fields["location"]) == (302, SHOP)
    assert answer.fields["cache-control"] == "no-store"
    (event,) = await wire.events(sent, "message.clicked")
    assert event.data == {
        "recipient": f"ann@{FAR}",
        "link": SHOP,
        "user_agent": FIREFOX,
        "address": "203.0.113.9",
        "machine": False,
        "machine_kind": None,
    }
    assert event.recipient_id is not None
    assert event.mailbox_id is not None
    shown = (await wire.live.get(f"/v1/emails/{sent}")).json["events"][-1]
    assert (shown["kind"], shown["recipient"]) == ("message.clicked", f"ann@{FAR}")


async def test_an_image_tells_of_its_loading(wire: Wire) -> None:
    sent = await wire.send(html=HTML, track_opens=True)
    text = wire.arrived().html or ""
    address = text.partition('<img src="')[2].partition('"')[0]
    assert text.strip() == HTML.replace(
        "</body>", text[text.index("<img") : text.index("</body>")] + "</body>"
    )
    answer = await wire.browse("GET", address)
    assert (answer.status, answer.fields["content-type"], answer.body[:6]) == (200, "image/gif", b"GIF89a")
    proxy = "Mozilla/5.0 Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    assert (await wire.browse("GET", address, user_agent=proxy)).status == 200
    by_person, by_proxy = await wire.events(sent, "message.opened")
    assert (by_person.data["recipient"], by_person.data["machine"]) == (f"ann@{FAR}", False)
    assert "link" not in by_person.data
    assert (by_proxy.data["machine"], by_proxy.data["machine_kind"]) == (True, "google_proxy")


async def test_what_the_letter_says_is_what_was_written(wire: Wire) -> None:
    sent = await wire.send(html=HTML, text="Hi", track_clicks=True, track_opens=True, unsubscribe=True)
    assert (await wire.live.get(f"/v1/emails/{sent}")).json["html"] == HTML


async def test_the_domain_says_what_is_tracked_and_an_email_may_say_otherwise(wire: Wire) -> None:
    shown = await wire.settings(track_clicks=True, track_opens=True)
    assert (shown["track_clicks"], shown["track_opens"]) == (True, True)
    await wire.send(html=HTML)
    assert ours(wire.links())
    assert "/t/o/" in (wire.arrived().html or "")
    await wire.send(html=HTML, track_clicks=False, track_opens=False)
    assert (wire.arrived().html or "").strip() == HTML
    # What goes out over SMTP is as it was submitted, and so is what people write to people.
    await wire.live.post(f"/v1/inboxes/app@{OURS}/messages", {"to": f"ann@{FAR}", "html": HTML})
    await wire.house.run_until_idle()
    assert (wire.arrived().html or "").strip() == HTML


async def test_links_name_the_domains_own_host_once_it_leads_here(wire: Wire) -> None:
    shown = await wire.settings(track_clicks=True, tracking_host="Links.OURS.test")
    (record,) = [each for each in shown["records"] if each["type"] == "CNAME"]
    assert (record["name"], record["value"]) == (f"links.{OURS}", "mail.ours.test")
    # Its owner vouches for the domain's DNS.
    assert (shown["tracking_host"], shown["tracking_verified"]) == (f"links.{OURS}", True)
    await wire.send(html=HTML)
    (link,) = ours(wire.links())
    assert link.startswith(f"http://links.{OURS}:8025/t/c/")
    assert (await wire.browse("GET", link)).status == 302
    for host in ("127.0.0.1:8025", "mail.ours.test", f"links.{OURS}.evil.example", "evil.example"):
        assert (await wire.browse("GET", link, host=host)).status == 404
    assert (await wire.browse("GET", f"http://links.{OURS}:8025/v1/emails")).status == 421


async def test_a_brands_links_name_its_host_while_that_leads_here(wire: Wire) -> None:
    clock, directory = wire.house.clock, wire.house.station.directory

    async def of_its_own(tx: Transaction) -> None:
        domain = await domain_changes.add(tx, clock, DEFAULT_TENANT, "shop.test")
        domain = await domain_changes.assume_verified(tx, clock, domain)
        await domain_changes.set_tracking(tx, clock, domain, Tracking(host="links.shop.test"))

    await directory.change(of_its_own)
    await wire.live.post("/v1/brands", {"name": "shop", "tracking_host": "links.shop.test"})
    await wire.send(html=HTML, track_clicks=True, brand="shop")
    (link,) = ours(wire.links())
    assert link.startswith("http://links.shop.test:8025/t/c/")

    async def is_gone(tx: Transaction) -> None:
        await tx.execute("update domains set tracking_verified_at = null where name = 'shop.test'")

    await directory.change(is_gone)
    await wire.send(html=HTML, track_clicks=True, brand="shop")
    (link,) = ours(wire.links())
    assert link.startswith("http://127.0.0.1:8025/t/c/")


@pytest.mark.parametrize(
    "host", ["links.theirs.test", "ours.test", "test", "links.ours.test.evil.example", "a b"]
)
async def test_a_tracking_host_stands_below_a_domain_of_the_tenant(wire: Wire, host: str) -> None:
    answer = await wire.live.patch(f"/v1/domains/{OURS}", {"tracking_host": host})
    assert (answer.status, answer.json["errors"][0]["path"]) == (422, "$.tracking_host")


async def test_machines_and_people_are_told_apart_when_they_click(wire: Wire) -> None:
    answer = await wire.ask(html=HTML, track_clicks=True)
    sent = answer.json["id"]
    await wire.house.run_until_idle()
    (link,) = ours(wire.links())
    await wire.browse("GET", link)  # in the second in which it was delivered
    wire.house.clock.advance(seconds=30)
    assert (await wire.browse("HEAD", link)).status == 302
    await wire.browse("GET", link, sec_purpose="prefetch")
    await wire.browse("GET", link)
    kinds = [event.data["machine_kind"] for event in await wire.events(sent, "message.clicked")]
    assert kinds == ["soon", "head", "prefetch", None]


async def test_a_replayed_address_fills_no_log(wire: Wire) -> None:
    sent = await wire.send(html=HTML, track_clicks=True, track_opens=True)
    wire.house.clock.advance(minutes=5)
    (link,) = ours(wire.links())
    for _ in range(5):
        answers = await asyncio.gather(*(wire.browse("GET", link) for _ in range(10)))
        assert {answer.status for answer in answers} == {302}
    for _ in range(30):
        await wire.browse("HEAD", link)
    told = await wire.events(sent, "message.clicked")
    assert [event.data["machine"] for event in told].count(False) == records.MOST
    assert [event.data["machine"] for event in told].count(True) == records.MOST


async def test_several_recipients_have_one_body_and_nobody_is_named(wire: Wire) -> None:
    sent = await wire.send(html=HTML, track_clicks=True, to=[f"ann@{FAR}", f"bob@{FAR}"])
    (link,) = ours(wire.links())
    await wire.browse("GET", link)
    (event,) = await wire.events(sent, "message.clicked")
    assert (event.recipient_id, event.data["recipient"]) == (None, None)


async def test_utm_parameters_stand_beside_what_is_there(wire: Wire) -> None:
    await wire.send(html=HTML, utm={"source": "news", "campaign": "Mai & Juni"})
    wanted = "https://shop.example/order?id=7&copy=2&utm_source=news&utm_campaign=Mai%20%26%20Juni#top"
    assert wanted in wire.links()
    await wire.send(html=HTML, utm={"source": "news", "campaign": "Mai & Juni"}, track_clicks=True)
    (link,) = ours(wire.links())
    assert (await wire.browse("GET", link)).fields["location"] == wanted


@pytest.mark.parametrize("wish", [{"utm": {"sauce": "x"}}, {"utm": {"source": ""}}, {"track_clicks": "yes"}])
async def test_what_cannot_be_meant_is_refused(wire: Wire, wish: dict[str, object]) -> None:
    answer = await wire.ask(html=HTML, **wish)
    assert (answer.status, answer.code) == (422, "validation_error")


async def test_a_link_works_when_its_message_is_forgotten(wire: Wire) -> None:
    secret = wire.house.station.link_secret
    token = tokens.sign(Token("msg_" + "0" * 24, SHOP), secret, "click", "127.0.0.1")
    answer = await wire.browse("GET", f"http://127.0.0.1:8025/t/c/{token}")
    assert (answer.status, answer.fields["location"]) == (302, SHOP)


async def test_a_link_works_while_nothing_can_be_written(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> bool:
        raise StoreUnavailable("the disk is full")

    sent = await wire.send(html=HTML, track_clicks=True)
    monkeypatch.setattr(records, "record", full)
    assert (await wire.browse("GET", ours(wire.links())[0])).status == 302
    assert await wire.events(sent, "message.clicked") == []


async def test_a_link_too_long_to_be_signed_is_left_as_it_is(wire: Wire) -> None:
    noise = base64.urlsafe_b64encode(hashlib.shake_256(b"x").digest(1300)).decode()
    document = f'<a href="https://shop.example/{noise}">x</a>'
    await wire.send(html=document, track_clicks=True)
    assert (wire.arrived().html or "").strip() == document


def forged() -> Iterator[str]:
    """150 attempts to be led elsewhere by a page of ours."""
    evil = [
        "https://evil.example/",
        "//evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "data:text/html,x",
        "\\\\evil.example",
    ]
    for target in evil:
        plain = base64.urlsafe_b64encode(target.encode()).decode().rstrip("=")
        yield from (
            target.replace("/", "%2F"),
            plain,
            f"{plain}=",
            base64.b64encode(target.encode()).decode(),
        )
        yield from (
            f"x?url={target}",
            f"x?next={target}",
            f"x?u={plain}",
            f"?{target}",
            f"x#{target}",
            f"../{target}",
        )
        yield from (f"x%0d%0aLocation:%20{target}", f"x/..;/{target}", f"%252e%252e/{target}", f"@{target}")
        mac = base64.urlsafe_b64encode(bytes(12) + b"\0" + bytes(15) + target.encode()).decode().rstrip("=")
        deflated = (
            base64.urlsafe_b64encode(bytes(12) + b"\1" + bytes(15) + target.encode()).decode().rstrip("=")
        )
        yield from (mac, deflated, mac.upper(), mac[::-1], mac * 10, f"{mac}.{plain}", f"{plain}.{mac}")
        for wrong in (b"", b"posthouse", b"\0" * 32, secrets.token_bytes(32)):
            for host in ("127.0.0.1", "evil.example"):
                yield tokens.sign(Token("msg_" + "0" * 24, target), wrong, "click", host)


async def test_nobody_is_led_anywhere_that_we_did_not_sign(wire: Wire) -> None:
    attempts = list(forged())
    assert len(attempts) >= 150
    for attempt in attempts:
        answer = await wire.browse("GET", f"http://127.0.0.1:8025/t/c/{attempt}")
        assert (answer.status, "location" in answer.fields) == (404, False), attempt
    for extra in ("?url=https://evil.example/", "?x", "?utm_source=z"):
        await wire.send(html=HTML, track_clicks=True)
        answer = await wire.browse("GET", ours(wire.links())[0] + extra)
        assert (answer.status, answer.fields["location"]) == (302, SHOP)


async def test_a_token_changed_moved_or_of_another_page_is_nothing(wire: Wire) -> None:
    await wire.send(html=HTML, track_clicks=True, track_opens=True, unsubscribe=True)
    (link,) = ours(wire.links())
    base, _, token = link.rpartition("/t/c/")
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert (await wire.browse("GET", f"{base}/t/c/{changed}")).status == 404
    for page in ("/t/o/", "/t/u/"):
        assert (await wire.browse("GET", f"{base}{page}{token}")).status == 404
    assert (await wire.browse("POST", link)).status == 405


async def test_another_tenants_host_knows_nothing_of_our_tokens(wire: Wire) -> None:
    clock, station = wire.house.clock, wire.house.station
    other = await station.db.transact(lambda tx: tenants.add(tx, clock, "Others"))

    async def work(tx: Transaction) -> str:
        theirs = await domain_changes.add(tx, clock, other.id, "theirs.test")
        await domain_changes.assume_verified(tx, clock, theirs, receives=True)
        await mailbox_changes.add(tx, clock, other.id, NewMailbox(address="app@theirs.test"))
        return (await key_changes.create(tx, clock, other.id, NewKey(name="foreign"))).secret

    foreign = Client(wire.live.app, await station.directory.change(work))
    answer = await foreign.patch("/v1/domains/theirs.test", {"tracking_host": "links.theirs.test"})
    assert answer.status == 200
    await wire.settings(track_clicks=True, tracking_host=f"links.{OURS}")
    sent = await wire.send(html=HTML)
    (link,) = ours(wire.links())
    moved = link.replace(f"links.{OURS}", "links.theirs.test")
    assert (await wire.browse("GET", moved)).status == 404
    assert await wire.events(sent, "message.clicked") == []
