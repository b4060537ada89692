"""A number of nodes on one store, started side by side, and what they are loaded with."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.daemon import APPLICATION, Daemon, prepare_daemon

SIZE = 4096
RECIPIENT = "ann@far.example"


def settings(store_url: str, smarthost: str, connections: int) -> dict[str, Any]:
    """What a node of the run has beside its defaults. `connections`: to the sink, at once, of each."""
    return {
        "store.url": store_url,
        "delivery.smarthost": smarthost,
        "delivery.max_connections_per_destination": connections,
        "submission.trusted_networks": ["127.0.0.0/8"],
        "limits.connections_per_ip": 1000,
    }


@asynccontextmanager
async def running(
    base: Path,
    count: int,
    wanted: dict[str, Any],
    *,
    faults_expected: bool = False,
) -> AsyncIterator[list[Daemon]]:
    """So many nodes that are ready; ended, and their directories removed, with the block.

    A traceback in a log is a failure unless `faults_expected`.
    """
    directory = Path(tempfile.mkdtemp(prefix="nodes-", dir=base))
    keys = {"dkim.key_dir": str(directory / "dkim_keys")}
    nodes: list[Daemon] = []
    try:
        for number in range(count):
            nodes.append(
                await prepare_daemon(
                    directory / f"node{number}",
                    wanted | keys,
                    daily_cap=10**9,
                    beside=nodes[0] if nodes else None,
                )
            )
        for node in nodes:
            node.faults_expected = faults_expected
            await node.start()
        yield nodes
        codes = await asyncio.gather(*(node.stop() for node in nodes))
        if any(codes):
            raise RuntimeError(f"nodes ended with {codes}")
    finally:
        for node in nodes:
            node.close()
        shutil.rmtree(directory)


async def hand_in(nodes: Sequence[Daemon], sessions: int, messages: int) -> None:
    """So many messages, shared out evenly, each on a connection of its own."""
    share, rest = divmod(messages, len(nodes))
    await asyncio.gather(
        *(
            _source(node, max(1, sessions // len(nodes)), share + (place < rest))
            for place, node in enumerate(nodes)
        )
    )


async def _source(node: Daemon, sessions: int, messages: int) -> None:
    command = ["smtp-source", "-s", str(min(sessions, messages)), "-l", str(SIZE), "-m", str(messages)]
    command += ["-f", APPLICATION, "-t", RECIPIENT, "-M", "load.test"]
    process = await asyncio.create_subprocess_exec(*command, f"127.0.0.1:{node.ports['submission']}")
    if await process.wait():
        raise RuntimeError(f"smtp-source ended with {process.returncode}")
