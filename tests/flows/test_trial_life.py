"""A test key's mail lives its whole life over sockets: what the sandbox caught is opened, followed, left.

The daemon is the shipped one. Mail goes out by SMTP to its simulator, whose
reports come back by the inbound path; the test has only what a program and a
reader have: an API key, the mail that was caught, and an endpoint.
"""

import asyncio
import re
from html import unescape
from typing import Any

import httpx2
import pytest
import standardwebhooks

from tests.fakes.api_client import ApiClient, api_client, make_key
from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon, write_settings
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import make_daemon, receiver
from tests.relay.webhooks.receiver import Receiver

__all__ = ["make_daemon", "receiver"]

READER, BOUNCES, COMPLAINS = "ann@far.example", "bounce@simulator.test", "complain@simulator.test"
SHOP = "https://shop.example/order?a=1&b=2"
TRACKED = {
    "from": APPLICATION,
    "subject": "Your order",
    "html": f'<p>It is <a href="{SHOP.replace("&", "&amp;")}">on its way</a>.</p>',
    "track_opens": True,
    "track_clicks": True,
    "unsubscribe": {"stream": "orders"},
    "metadata": {"order": "7"},
}


@pytest.fixture
async def daemon(make_daemon: MakeDaemon, dns: FakeDns) -> Daemon:
    """One whose links lead to the port that it listens on."""
    settings: dict[str, Any] = {"webhooks.allow_private_networks": True, "dns.nameservers": [dns.nameserver]}
    daemon = await make_daemon(settings)
    url = {"api.public_url": f"http://127.0.0.1:{daemon.ports['http']}"}
    write_settings(daemon.config_file, settings | url)
    await daemon.start()
    return daemon


async def comes(receiver: Receiver, message_id: str, kind: str) -> dict[str, Any]:
    """The post of that event, when it is here."""
    async with asyncio.timeout(60):
        for number in range(10_000):
            await receiver.has(number + 1)
            event = receiver.requests[number].event
            if (event["data"]["message_id"], event["type"]) == (message_id, f"message.{kind}"):
                return event
    raise AssertionError("more posts than there can be")


async def caught(api: ApiClient, message_id: str) -> Any:
    """The mail as the far side has it, by the listing."""
    (found,) = (await api.get("/v1/test/emails", message=message_id))["data"]
    return await api.get(f"/v1/test/emails/{found['id']}")


async def test_a_test_keys_whole_life_arrives_as_verified_webhooks_in_order(
    daemon: Daemon, receiver: Receiver
) -> None:
    async with (
        api_client(daemon, await make_key(daemon, test=True)) as api,
        httpx2.AsyncClient(trust_env=False, timeout=60) as reader,
    ):
        secret = (await api.post("/v1/webhooks", {"url": receiver.url, "events": ["message.*"]}))["secret"]
        ids = {
            to: (await api.post("/v1/emails", {**TRACKED, "to": to}))["id"]
            for to in (READER, BOUNCES, COMPLAINS)
        }
        await comes(receiver, ids[BOUNCES], "bounced")
        await comes(receiver, ids[COMPLAINS], "complained")
        await comes(receiver, ids[READER], "delivered")
        mail = await caught(api, ids[READER])
        (link,) = map(unescape, re.findall(r'href="([^"]+)"', mail["html"]))
        (image,) = map(unescape, re.findall(r'<img src="([^"]+)"', mail["html"]))
        (page,) = re.findall(r"<(http[^>]+)>", dict(mail["headers"])["list-unsubscribe"])
        assert SHOP not in link

        opened = await reader.get(image)
        assert (opened.status_code, opened.headers["content-type"]) == (200, "image/gif")
        assert (await comes(receiver, ids[READER], "opened"))["data"]["recipient"] == READER
        followed = await reader.get(link)
        assert (followed.status_code, followed.headers["location"]) == (302, SHOP)
        assert (await comes(receiver, ids[READER], "clicked"))["data"]["link"] == SHOP
        assert (await reader.get(page)).status_code == 200
        assert (await reader.post(page, data={"List-Unsubscribe": "One-Click"})).status_code == 200
        left = (await comes(receiver, ids[READER], "unsubscribed"))["data"]
        assert (left["recipient"], left["stream"], left["source"]) == (READER, "orders", "one-click")

        for request in receiver.requests:
            standardwebhooks.Webhook(secret).verify(request.body, request.headers)
        told = {
            to: [each for each in _events(receiver) if each["data"]["message_id"] == ids[to]] for to in ids
        }
        assert [each["type"].removeprefix("message.") for each in told[READER]] == [
            *("accepted", "sent", "delivered", "opened", "clicked", "unsubscribed")
        ]
        assert [each["type"].removeprefix("message.") for each in told[BOUNCES]] == [
            *("accepted", "sent", "bounced")
        ]
        assert [each["type"].removeprefix("message.") for each in told[COMPLAINS]] == [
            *("accepted", "sent", "delivered", "complained")
        ]
        for events in told.values():
            assert [each["timestamp"] for each in events] == sorted(each["timestamp"] for each in events)
            assert all(each["data"]["test"] and each["data"]["metadata"] == {"order": "7"} for each in events)
        # What is tried out keeps nobody from live mail.
        assert (await api.get("/v1/suppressions"))["data"] == []
    assert await daemon.stop() == 0


def _events(receiver: Receiver) -> list[dict[str, Any]]:
    return [request.event for request in receiver.requests]
