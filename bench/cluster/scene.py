"""Where faults happen: nodes on one PostgreSQL behind a wire, a far side that is watched, and the books."""

import asyncio
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.cluster.nodes import running
from bench.cluster.server import database_of, server_below
from bench.cluster.sink import Session, listen
from bench.process import tree
from tests.crash.ledger import Ledger
from tests.fakes.daemon import Daemon
from tests.fakes.far_mx import Received
from tests.fakes.postgres import PostgresServer
from tests.fakes.wire import Wire

ANSWERS_AFTER = 0.05
MOST_RECIPIENTS = 3  # of one message
CONNECTIONS = 8


@dataclass(slots=True)
class Scene:
    """What a fault may touch. `url` reaches the server past the wire."""

    nodes: Sequence[Daemon]
    server: PostgresServer
    url: str
    wire: Wire
    ledger: Ledger
    rng: random.Random = field(default_factory=lambda: random.Random(secrets.randbits(64)))

    def may_be_on_the_wire(self, nodes: int) -> int:
        """How many recipients so many nodes may have in transfer, those being opened included."""
        return nodes * CONNECTIONS * MOST_RECIPIENTS

    def signal_tree(self, node: Daemon, number: signal.Signals) -> None:
        """To the node and to its children."""
        for pid in list(tree(node.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def ask(self, statement: str, *args: Any) -> list[Any]:
        """The server, not by the wire."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = await connection.fetch(statement, *args)
            return rows
        finally:
            await connection.close()


@asynccontextmanager
async def set_up(base: Path, count: int, wanted: dict[str, Any]) -> AsyncIterator[Scene]:
    """So many nodes that are ready; whatever is still held up is let go at the end."""
    with server_below(base) as server:
        url = await asyncio.to_thread(server.empty_database)
        wire = await Wire.start(server.socket)
        ledger = Ledger(server.socket.parent / "acknowledged")

        def take(session: Session) -> None:
            ledger.arrive(
                Received(
                    session.reverse_path,
                    [],
                    "",
                    None,
                    0,
                    recipients=list(session.recipients),
                    wire=session.content,
                )
            )

        sink = await listen(ANSWERS_AFTER, take)
        settings = {
            "store.url": wire.url(database_of(url)),
            "delivery.smarthost": f"127.0.0.1:{sink.sockets[0].getsockname()[1]}",
            "delivery.max_connections_per_destination": CONNECTIONS,
            "delivery.retry_schedule": ["1s"],
            "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
            "limits.connections_per_ip": 1000,
            "log.level": "warning",
            **wanted,
        }
        try:
            async with running(base, count, settings, faults_expected=True) as nodes:
                yield Scene(nodes, server, url, wire, ledger)
        finally:
            sink.close()
            await wire.stop()
