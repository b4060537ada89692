"""Mail made of templates arrives as it was previewed, and hostile ones keep nothing from travelling."""

from typing import Any

from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from tests.flows.house import FAR, OURS, House
from tests.flows.programs import program

HTML = (
    "<p>Hello {{first_name|there}},</p>{% for i in order.items %}<p>{{i.name}}: {{i.price}} €</p>{% endfor %}"
)
SHIPPED = {
    "name": "order_shipped",
    "subject": "Order {{ order.number }} – {{ name }}",
    "html": HTML,
    "publish": True,
}
ORDER = {"number": "4711", "items": [{"name": "Größe <L>", "price": 75}]}


def arrived(house: House) -> Parsed:
    """The newest message at the far side."""
    header, _, body = house.mx.received[-1].content.partition(b"\r\n\r\n")
    return parse(header + b"\r\n", body)


async def test_what_was_previewed_is_what_arrives(house: House) -> None:
    await house.mailbox(f"shop@{OURS}")
    shop = await program(house)
    assert (await shop.post("/v1/templates", SHIPPED)).status == 201
    to = f"Ann Lee <ann@{FAR}>"
    wish: dict[str, Any] = {"variables": {"order": ORDER}, "to": to}
    shown = (await shop.post("/v1/templates/order_shipped/preview", wish)).json
    sent = await shop.post("/v1/emails", {**wish, "from": f"shop@{OURS}", "template": "order_shipped"})
    assert sent.status == 201, sent
    await house.run_until_idle()
    letter = arrived(house)
    assert letter.subject == shown["subject"] == "Order 4711 – Ann Lee"
    assert (letter.html or "").strip() == shown["html"]
    assert "<p>Größe &lt;L&gt;: 75 €</p>" in shown["html"]
    assert (letter.text or "").split() == shown["text"].split()
    assert " ".join(shown["text"].split()) == "Hello Ann, Größe <L>: 75 €"


async def test_what_is_refused_sends_nothing_and_the_next_one_travels(house: House) -> None:
    await house.mailbox(f"shop@{OURS}")
    shop = await program(house)
    wish = {"from": f"shop@{OURS}", "to": f"ann@{FAR}", "subject": "s", "variables": {}}
    for text in (
        "{{ nobody }}",
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
    ):
        assert (await shop.post("/v1/emails", {**wish, "text": text})).status == 422
    assert (await shop.post("/v1/emails", {**wish, "text": "Hi {{ email }}"})).status == 201
    await house.run_until_idle()
    assert (arrived(house).text or "").strip() == f"Hi ann@{FAR}"
    assert len(house.mx.received) == 1
