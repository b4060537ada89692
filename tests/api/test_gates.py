"""What a request passes before its route: its Host, its way through proxies, its body's size and time."""

import asyncio

import pytest
from starlette.types import Message

from tests.api.client import Answer, Client
from tests.api.conftest import Api, MakeApi


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8025", "localhost", "192.0.2.1", "[2001:db8::1]:8025", "posthouse:8025"),
        *("mail.ours.test", "MAIL.ours.test.", "api.ours.test", ""),
    ],
)
async def test_names_of_ours_are_answered(make_api: MakeApi, host: str) -> None:
    api = await make_api({"api.public_url": "https://api.ours.test"})
    answer = await api.live.get("/v1/account", host=host)
    assert answer.status == 200
    assert answer.fields["strict-transport-security"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "mail.ours.test.evil.example", "localhost.evil.example", "a b", "mail.ours.test/x"],
)
async def test_other_names_are_not_ours(api: Api, host: str) -> None:
    for path in ("/v1/account", "/health", "/openapi.json"):
        answer = await api.live.get(path, host=host)
        assert (answer.status, answer.code) == (421, "unknown_host")


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("198.51.100.9", "192.0.2.7", "198.51.100.9"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("::ffff:10.0.0.1", "192.0.2.7:4711", "192.0.2.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
async def test_a_proxy_is_believed_as_far_as_it_is_ours(
    make_api: MakeApi, peer: str, forwarded: str, seen: str
) -> None:
    api = await make_api({"api.trusted_proxies": ["10.0.0.0/8"]})
    client = await api.client(cidrs=[seen])
    client.address = peer
    assert (await client.get("/v1/account", x_forwarded_for=forwarded)).status == 200


async def test_a_body_is_counted_however_it_comes(make_api: MakeApi) -> None:
    api = await make_api({"limits.body_size": "1KiB"})
    fits = b'{"name": "x"}'.ljust(1024)
    assert (await api.live.request("POST", "/v1/keys", body=fits)).status == 201
    announced = await api.live.request("POST", "/v1/keys", body=b"", content_length="1025")
    chunked = await api.live.request("POST", "/v1/keys", body=[b" " * 500] * 3, transfer_encoding="chunked")
    for answer in (announced, chunked):
        assert (answer.status, answer.code) == (413, "payload_too_large")
        assert answer.fields["connection"] == "close"


async def test_what_will_not_be_used_is_not_read(api: Api) -> None:
    """Without a key nothing of the body is asked for, and the connection is given up."""
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"", "more_body": True}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    stranger = Client(api.live.app)
    scope = stranger.scope("POST", "/v1/keys", {"transfer-encoding": "chunked"})
    await stranger.app(scope, receive, send)
    assert asked == 0
    assert sent[0]["status"] == 401
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_body_that_does_not_come_is_not_waited_for(make_api: MakeApi) -> None:
    api = await make_api({"limits.body_timeout": "10ms"})
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await api.live.app(api.live.scope("POST", "/v1/keys", {"content-length": "9"}), receive, send)
    assert sent[0]["status"] == 408
    assert b'"request_timeout"' in sent[1]["body"]


async def test_scripts_of_named_origins_may_call(make_api: MakeApi) -> None:
    api = await make_api({"api.cors_origins": ["https://app.ours.test"]})

    async def asks(origin: str) -> Answer:
        return await api.live.request(
            "OPTIONS",
            "/v1/keys",
            origin=origin,
            access_control_request_method="POST",
            access_control_request_headers="authorization",
        )

    allowed = await asks("https://app.ours.test")
    assert allowed.fields["access-control-allow-origin"] == "https://app.ours.test"
    refused = await asks("https://evil.example")
    assert "access-control-allow-origin" not in refused.fields
    answer = await api.live.get("/v1/account", origin="https://app.ours.test")
    assert answer.fields["access-control-allow-origin"] == "https://app.ours.test"
    assert "RateLimit-Remaining" in answer.fields["access-control-expose-headers"]


async def test_without_named_origins_there_is_no_cors(api: Api) -> None:
    answer = await api.live.get("/v1/account", origin="https://app.ours.test")
    assert not [name for name in answer.fields if name.startswith("access-control")]


async def test_a_wrong_method_names_the_right_ones(api: Api) -> None:
    answer = await api.live.request("PUT", "/v1/keys", {})
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert set(answer.fields["allow"].split(", ")) == {"GET", "POST", "HEAD"}
    assert (await api.live.request("HEAD", "/v1/keys")).status == 200
    for path in ("/", "/v1", "/v1/keys/", "//v1/keys", "/v2/keys"):
        assert (await api.live.get(path)).code == "not_found"


async def test_the_house_tells_how_it_is(api: Api) -> None:
    stranger = Client(api.live.app)
    assert (await stranger.get("/health")).json == {"status": "ok"}
    assert (await stranger.get("/ready")).json == {"status": "ready"}
    metrics = await stranger.get("/metrics")
    assert metrics.fields["content-type"] == "text/plain; version=0.0.4"
    assert metrics.body == b"posthouse_up 1.0\n"
    stranger.address = "192.0.2.7"
    assert (await stranger.get("/metrics")).code == "ip_not_allowed"
