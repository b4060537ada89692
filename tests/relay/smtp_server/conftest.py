"""A real listener on loopback with a recording door."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import trustme

from relay.smtp_server import SmtpListener, SmtpManners, listen
from tests.fakes.clock import FakeClock
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.recording_door import RecordingDoor

Connect = Callable[..., Awaitable[Client]]


class StartListener(Protocol):
    async def __call__(self, **manners: Any) -> SmtpListener: ...


@pytest.fixture
def door() -> RecordingDoor:
    return RecordingDoor()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "incoming"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def start(door: RecordingDoor, spool: Path, clock: FakeClock) -> AsyncIterator[StartListener]:
    """Starts listeners with manners of the test's choice; they end with the test."""
    listeners = []

    async def start_one(**manners: Any) -> SmtpListener:
        settings: dict[str, Any] = {
            "hostname": "mx.example.test",
            "spool": spool,
            "clock": clock,
            "auth_failure_delay": timedelta(0),
        }
        listener = await listen(("127.0.0.1", 0), door, SmtpManners(**(settings | manners)))
        listeners.append(listener)
        return listener

    yield start_one
    for listener in listeners:
        await listener.drain(timedelta(seconds=5))


@pytest.fixture
async def listener(start: StartListener) -> SmtpListener:
    """A plain listener with the default manners and no AUTH."""
    return await start()


@pytest.fixture
async def connect(start: StartListener) -> AsyncIterator[Connect]:
    """Opens clients that end before the listeners do."""
    clients = []

    async def connect_one(listener: SmtpListener, **options: Any) -> Client:
        client = await Client.open(listener.port, **options)
        clients.append(client)
        return client

    yield connect_one
    for client in clients:
        await client.close()


@pytest.fixture
async def client(listener: SmtpListener, connect: Connect) -> Client:
    """A client of `listener` that has read its greeting."""
    return await connect(listener)
