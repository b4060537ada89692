"""Before anything is compared: is the mail that comes out signed, so that a receiver believes it?"""

import os
import shutil
import tempfile
from pathlib import Path

from bench.peers.cases import Case
from bench.peers.contender import Contender, Server, free_port
from bench.peers.load import fresh, hand_in
from bench.process import Sink
from relay.signing.verify import verdicts
from tests.fakes.daemon import OURS

MESSAGES = 10


async def examine(contender: Contender, base: Path) -> str:
    """Which signatures ten messages of ten carry, by dkimpy's verdict; RuntimeError when one is wrong."""
    dump = Path(tempfile.mkdtemp(prefix="posthouse-peers-", dir=base))
    if os.geteuid() == 0:
        shutil.chown(dump, "nobody")  # whom smtp-sink runs as
    sink = await Sink.start(free_port(), dump)
    try:
        async with fresh(contender, base, sink.port, 2) as (server, _):
            await hand_in(server.port, Case("4 KB", 2, False, MESSAGES), MESSAGES)
            await sink.takes(MESSAGES)
            return _judge(server, [file.read_bytes() for file in dump.iterdir()])
    finally:
        await sink.stop()
        shutil.rmtree(dump)


def _judge(server: Server, dumped: list[bytes]) -> str:
    if len(dumped) != MESSAGES:
        raise RuntimeError(f"{len(dumped)} of {MESSAGES} messages are in the dump")
    if server.keys is None:
        return "not signed"
    wanted = sorted(f"{algorithm} {OURS}: pass" for algorithm in server.algorithms)
    for raw in dumped:
        found = sorted(verdicts(raw.replace(b"\n", b"\r\n"), server.keys))
        if found != wanted:
            raise RuntimeError(f"a message carries {found or 'no signature'} instead of {wanted}")
    return f"{MESSAGES} of {MESSAGES} verified: {' and '.join(server.algorithms)}"
