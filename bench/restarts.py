"""Is anybody refused, lost or kept waiting while the daemon is restarted again and again?

    python -m bench.restarts [--restarts 100] [--clients 8] [--dir /var/tmp]

A small parent process holds the listeners and passes them on (LISTEN_FDS), as
systemd does with socket units. Clients submit one message after the other on
connections of their own; what is told 421 or cut off comes again. Counted are
connections that were refused, messages that were acknowledged and did not
arrive, and copies too many; timed is each message from its first connection
to its 250, against the same clients while nobody restarts anything.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from relay.clock import SystemClock
from tests.crash.clients import NotNow, SmtpClient
from tests.crash.ledger import Letter
from tests.fakes.daemon import APPLICATION, Daemon, keep_daemons
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx, Received

CLOCK = SystemClock()
FAR = "far.example"
BASELINE_MESSAGES = 200
BETWEEN_RESTARTS = 20  # messages
DRAIN_SECONDS = 120


@dataclass(slots=True)
class Clients:
    """Each submits, one message after the other, until `stopping`."""

    daemon: Daemon
    refused: int = 0
    tried_again: int = 0
    took: list[float] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, count: int, prefix: str) -> None:
        self.stopping.clear()
        await asyncio.gather(*(self._client(f"{prefix}-{number}") for number in range(count)))

    async def have_sent(self, more: int) -> None:
        """Wait until so many more were acknowledged."""
        wanted = len(self.acknowledged) + more
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def _client(self, name: str) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            letter = _letter(f"{name}-{number}")
            began = CLOCK.monotonic()
            while not await self._submit(letter):
                self.tried_again += 1
            self.took.append(CLOCK.monotonic() - began)
            async with self._changed:
                self.acknowledged.add(letter.id)
                self._changed.notify_all()

    async def _submit(self, letter: Letter) -> bool:
        try:
            session = await SmtpClient.submission(self.daemon.ports["submission"], self.daemon.password)
        except ConnectionRefusedError:
            self.refused += 1
            await asyncio.sleep(0.01)
            return False
        except (OSError, EOFError, NotNow):
            return False
        try:
            await session.send(letter)
        except (OSError, EOFError, NotNow):
            return False
        finally:
            session.close()
        return True


async def run(base: Path, restarts: int, clients: int) -> None:
    """Print what was counted and timed."""
    directory = Path(tempfile.mkdtemp(prefix="restarts-", dir=base))
    dns, mx = await FakeDns.start(), await FarMx.start()
    arrived: Counter[str] = Counter()
    mx.on_message = lambda message: arrived.update([_subject(message)])
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", mx.host)
    try:
        async with keep_daemons(directory) as make_daemon:
            daemon = await make_daemon(
                {
                    "dns.nameservers": [dns.nameserver],
                    "delivery.port": mx.port,
                    "delivery.retry_schedule": ["1s"],
                    "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
                    "log.level": "warning",
                }
            )
            await daemon.start()
            load = Clients(daemon)
            quiet = await _while(load, clients, "quiet", load.have_sent(BASELINE_MESSAGES))
            restarting = await _while(load, clients, "restarted", _restart(daemon, load, restarts))
            async with asyncio.timeout(DRAIN_SECONDS):
                await mx.messages_arrive(len(load.acknowledged))
            await daemon.stop()
    finally:
        await mx.stop()
        await dns.stop()
        shutil.rmtree(directory, ignore_errors=True)
    lost = load.acknowledged - arrived.keys()
    copies = sum(arrived.values()) - len(arrived)
    counts = (restarts, len(load.acknowledged), load.refused, load.tried_again, len(lost), copies)
    print("| restarts | acknowledged | refused connections | tried again | lost | copies too many |")
    print("|---|---|---|---|---|---|")
    print(f"| {' | '.join(map(str, counts))} |")
    print("\n| seconds to 250 | median | 99 % | longest |\n|---|---|---|---|")
    for name, took in (("nobody restarts", quiet), ("restarted", restarting)):
        print(f"| {name} | {statistics.median(took):.3f} | {_high(took):.3f} | {max(took):.3f} |")


async def _while(
    load: Clients, clients: int, name: str, happening: "asyncio.Future[None] | object"
) -> list[float]:
    """How long each message took meanwhile."""
    load.took = []
    running = asyncio.create_task(load.run(clients, name))
    await happening  # type: ignore[misc]
    load.stopping.set()
    await running
    return load.took


async def _restart(daemon: Daemon, load: Clients, restarts: int) -> None:
    for number in range(restarts):
        await load.have_sent(BETWEEN_RESTARTS)
        if code := await daemon.stop():
            raise RuntimeError(f"restart {number}: it ended with {code}")
        await daemon.start()
    await load.have_sent(BETWEEN_RESTARTS)


def _high(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[-1]


def _letter(name: str) -> Letter:
    to = f"ann@{FAR}"
    head = f"From: <{APPLICATION}>\r\nTo: <{to}>\r\nSubject: {name}\r\nMessage-ID: <{name}@load.test>\r\n\r\n"
    return Letter(name, (to,), head.encode() + f"{'x' * 78}\r\n".encode() * 50)


def _subject(message: Received) -> str:
    return message.content.partition(b"Subject: ")[2].split(b"\r\n")[0].decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"))
    arguments = parser.parse_args()
    asyncio.run(run(arguments.dir, arguments.restarts, arguments.clients))


if __name__ == "__main__":
    main()
