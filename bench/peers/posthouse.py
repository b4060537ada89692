"""Posthouse as it ships: the real daemon with every role, both signatures, events and logs on."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.peers.contender import Server, find
from relay.signing.keys import KeyRing
from tests.fakes.daemon import prepare_daemon

DAILY_CAP = 10**9
_RAISED: Mapping[str, Any] = {
    "submission.trusted_networks": ["127.0.0.0/8"],
    "limits.connections_per_ip": 1000,
}


class Posthouse:
    """One process and its SQLite store; needs nothing beside smtp-source and smtp-sink."""

    name = "Posthouse"

    def missing(self) -> str | None:
        wanted = [program for program in ("smtp-source", "smtp-sink") if find(program) is None]
        return f"no {' and '.join(wanted)}: apt-get install postfix" if wanted else None

    def tuning(self) -> list[str]:
        raised = [f"{key} = {json.dumps(value)}" for key, value in _RAISED.items()]
        return [*raised, f"the mailbox's daily cap = {DAILY_CAP}", "delivery.smarthost = the sink"]

    @asynccontextmanager
    async def running(self, directory: Path, sink_port: int, sessions: int) -> AsyncIterator[Server]:
        settings = {**_RAISED, "delivery.smarthost": f"127.0.0.1:{sink_port}"}
        daemon = await prepare_daemon(directory / "posthouse", settings, daily_cap=DAILY_CAP)
        try:
            await daemon.start()
            yield Server(
                *(daemon.ports["submission"], (daemon.pid,)),
                keys=KeyRing(daemon.config.dkim.key_dir),
                algorithms=("ed25519-sha256", "rsa-sha256"),
            )
            await daemon.stop()
        finally:
            daemon.close()
