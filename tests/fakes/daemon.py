"""The real daemon as a process of its own: `python -m relay serve`, set up, started, stopped or killed.

    daemon = await make_daemon({"policy.on_cap": "defer"})   # a fixture; see `keep_daemons`
    await daemon.start()                                     # returns at READY
    daemon.ports["submission"], daemon.password
    await daemon.kill()                                      # as a power cut would, by its process id
    assert await daemon.stop() == 0

Its listeners are inherited from a small service manager, so they keep their
ports, and connections wait through a restart. Ended, its log must hold no
traceback.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import trustme

from relay.config import Config, load_config
from relay.control.operations.domains import AddDomain
from relay.control.operations.events import Tail
from relay.control.operations.mailboxes import AddMailbox
from relay.control.reach import follow, perform
from tests.fakes.service_manager import FakeServiceManager

ROOT = Path(__file__).parents[2]
HOSTNAME = "mail.ours.test"
OURS = "ours.test"
APPLICATION = f"app@{OURS}"
DOORS = {
    "submission": "submission.listen",
    "submissions": "submission.listen_tls",
    "inbound": "inbound.listen",
    "http": "api.listen",
}

MakeDaemon = Callable[..., Awaitable["Daemon"]]


@dataclass(slots=True)
class Daemon:
    """One configuration and data directory, and the process that serves it, if it runs."""

    directory: Path
    config_file: Path
    config: Config
    manager: FakeServiceManager
    authority: trustme.CA
    ports: dict[str, int]
    password: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    faults_expected: bool = False
    _roles: tuple[str, ...] = field(default=())

    @property
    def log_file(self) -> Path:
        return self.directory / "log"

    @property
    def ca_file(self) -> Path:
        """The authority that a client must trust to believe our certificate."""
        return self.directory / "ca.pem"

    @property
    def log(self) -> str:
        """What all its lives have written."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def do(self, operation: str, arguments: Any) -> Any:
        """An operation of the command line, by the control socket when it runs."""
        return await perform(self.config, operation, arguments)

    async def add_mailbox(self, address: str, **wanted: Any) -> str:
        """Returns its SMTP password."""
        added = await self.do("mailbox.add", AddMailbox(address=address, **wanted))
        password: str = added["smtp_password"]
        return password

    async def happens(self, kind: str, limit: float = 60, times: int = 1) -> dict[str, Any]:
        """The first event of that kind, or the next, as `posthouse tail` shows it; the last of so many."""
        tail = follow(self.config, "event.tail", Tail(kinds=(kind,), lines=max(times, 10)))
        async with (
            asyncio.timeout(limit),
            aclosing(cast(AsyncGenerator[dict[str, Any], None], tail)) as events,
        ):
            async for event in events:
                times -= 1
                if not times:
                    return event
        raise AssertionError("the daemon has ended its stream of events")

    def write_certificate(self) -> None:
        """A fresh certificate for `HOSTNAME` and 127.0.0.1 in the place that the configuration names."""
        made = self.authority.issue_cert(HOSTNAME, "127.0.0.1", "localhost")
        chain = b"".join(part.bytes() for part in made.cert_chain_pems)
        (self.directory / "tls.crt").write_bytes(chain)
        key = self.directory / "tls.key"
        key.touch(mode=0o600)
        key.write_bytes(made.private_key_pem.bytes())

    def launch(
        self, *arguments: str, environ: Mapping[str, str] | None = None, wrapper: Sequence[str] = ()
    ) -> None:
        """Start it without waiting for anything; `wrapper` is a program that becomes what follows it."""
        assert self.process is None, "it runs already"
        self.manager.forget()
        serve = [sys.executable, "-m", "relay", "serve", "--config", str(self.config_file), *arguments]
        environ = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **(environ or {})}
        with self.log_file.open("ab") as output:
            self.process = self.manager.start([*wrapper, *serve], environ, output)

    async def start(self, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        """Start it and wait for READY; fails with its log if it ends before."""
        self.launch(*arguments, environ=environ)
        ready = asyncio.create_task(self.manager.hears("READY=1"))
        ended = asyncio.create_task(self._ended())
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        is_ready = ready.done() and not ended.done()
        for task in (ready, ended):
            task.cancel()
        await asyncio.gather(ready, ended, return_exceptions=True)
        assert is_ready, f"it did not get ready:\n{self.log}"

    async def ends(self, limit: float = 60) -> int:
        """Wait for its end; the exit code."""
        async with asyncio.timeout(limit):
            await self._ended()
        assert self.process is not None
        code, self.process = self.process.wait(), None
        return code

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return await self.ends()

    async def kill(self) -> None:
        """SIGKILL: nothing of it runs any more when this returns."""
        self.signal(signal.SIGKILL)
        assert await self.ends() == -signal.SIGKILL

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def _ended(self) -> None:
        """Woken by the kernel when the process has ended; it is not reaped yet."""
        descriptor = os.pidfd_open(self.pid)
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        """End what runs; fails the test when the log tells of a fault that nobody caught."""
        self.manager.close()
        log = self.log
        assert self.faults_expected or ("Traceback" not in log and "Warning:" not in log), log[-20_000:]


async def prepare_daemon(
    directory: Path,
    settings: Mapping[str, Any] | None = None,
    *,
    watchdog: timedelta | None = None,
    daily_cap: int = 1_000_000,
    receives: bool = False,
    beside: Daemon | None = None,
) -> Daemon:
    """A daemon that has not been started, with one verified domain and the mailbox `APPLICATION`.

    Mail for the domain stays in the house with `receives`, else it goes out by MX.
    `beside` is another node of the same store, which has them already.

    `settings` has the keys of config.toml, dotted; None takes one of ours away.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority, manager = trustme.CA(), FakeServiceManager(directory, watchdog=watchdog)
    ports = {name: manager.listen(name) for name in DOORS}
    config_file = directory / "config.toml"
    write_settings(config_file, settings)
    try:
        config = load_config(config_file).config
    except BaseException:
        manager.close()
        raise
    config.server.data_dir.mkdir(mode=0o700, exist_ok=True)
    daemon = Daemon(directory, config_file, config, manager, authority, ports)
    authority.cert_pem.write_to_path(str(daemon.ca_file))
    daemon.write_certificate()
    if beside is not None:
        daemon.password = beside.password
        return daemon
    await daemon.do("domain.add", AddDomain(name=OURS, assume_verified=True, receives=receives))
    daemon.password = await daemon.add_mailbox(APPLICATION, senders=(f"*@{OURS}",), daily_cap=daily_cap)
    return daemon


def write_settings(config_file: Path, settings: Mapping[str, Any] | None = None) -> None:
    """A config.toml with what a daemon on loopback needs, and `settings`."""
    wanted: dict[str, Any] = {
        "server.hostname": HOSTNAME,
        "server.data_dir": "data",
        "server.drain_timeout": "5s",
        "store.min_free": "0MiB",
        "dns.timeout": "2s",
        "inbound.greeting_delay": "0s",  # who tests it, sets it
        "delivery.allow_private_networks": True,
        "tls.certificate": "tls.crt",
        "tls.private_key": "tls.key",
        **{key: [f"fd:{name}"] for name, key in DOORS.items()},
        **(settings or {}),
    }
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in wanted.items() if value is not None]
    config_file.write_text("".join(lines))


@asynccontextmanager
async def keep_daemons(directory: Path) -> AsyncIterator[MakeDaemon]:
    """Daemons for one test, by a function that prepares them; ended and examined with the block."""
    made: list[Daemon] = []

    async def make(settings: Mapping[str, Any] | None = None, **wanted: Any) -> Daemon:
        daemon = await prepare_daemon(directory / f"daemon{len(made)}", settings, **wanted)
        made.append(daemon)
        return daemon

    try:
        yield make
    finally:
        for daemon in made:
            daemon.manager.close()
    for daemon in made:
        daemon.close()


async def run_program(
    *command: str | Path,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
    limit: float = 60,
) -> str:
    """Run somebody else's program to its good end while the test goes on; what it printed."""
    arguments: Sequence[str] = [str(word) for word in command]
    child = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environ or {})},
        cwd=directory,
    )
    try:
        async with asyncio.timeout(limit):
            output, _ = await child.communicate(stdin)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    text = output.decode(errors="replace")
    assert child.returncode == 0, f"{arguments[0]} ended with {child.returncode}:\n{text}"
    return text
