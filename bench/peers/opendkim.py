"""OpenDKIM as Postfix's milter: signs with RSA-2048 for our domain, listens on a UNIX socket."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.peers.contender import find
from relay.clock import SystemClock
from relay.signing.keys import KeyRing
from tests.fakes.daemon import OURS

_SETTINGS = {
    "Mode": "s",
    "Canonicalization": "relaxed/relaxed",
    "SignatureAlgorithm": "rsa-sha256",
    "OversignHeaders": "From",
    "InternalHosts": "127.0.0.1",
    "Background": "no",
    "AutoRestart": "no",
    "Syslog": "no",
    "UMask": "000",
    "UserID": "opendkim",
    "RequireSafeKeys": "no",  # it would refuse any below /var/tmp
}


@dataclass(frozen=True, slots=True)
class Signer:
    """One that runs, where it listens, and the keys that it signs with."""

    pid: int
    socket: Path
    keys: KeyRing

    @staticmethod
    def described() -> list[str]:
        shown = ("Mode", "Canonicalization", "SignatureAlgorithm", "Syslog")
        return ["OpenDKIM, one RSA-2048 key", *(f"{name} {_SETTINGS[name]}" for name in shown)]


@asynccontextmanager
async def run_opendkim(directory: Path) -> AsyncIterator[Signer]:
    """One with files of its own below `directory`, until the block ends."""
    home = directory / "opendkim"
    home.mkdir(mode=0o755)
    shutil.chown(home, "opendkim", "opendkim")
    keys = KeyRing(home / "keys")
    config = _write_configuration(home, keys)
    program = find("opendkim")
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        *(program, "-f", "-x", str(config)),
        stdin=subprocess.DEVNULL,
    )
    try:
        await _appears(home / "socket", process)
        yield Signer(process.pid, home / "socket", keys)
    finally:
        with suppress(ProcessLookupError):
            process.kill()  # asked to end, it looks up every five seconds only; it keeps nothing
        await process.wait()


def _write_configuration(home: Path, keys: KeyRing) -> Path:
    """The key lies beside the ring as well: there, only we may read it."""
    rsa = next(key for key in keys.generate(OURS, SystemClock().now()) if key.algorithm == "rsa")
    readable = home / "key.pem"
    shutil.copy(home / "keys" / OURS / f"{rsa.selector}.pem", readable)
    shutil.chown(readable, "opendkim", "opendkim")
    settings = {
        **_SETTINGS,
        "Domain": OURS,
        "Selector": rsa.selector,
        "KeyFile": str(readable),
        "Socket": f"local:{home}/socket",
    }
    config = home / "opendkim.conf"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    return config


async def _appears(socket: Path, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while not socket.exists():
            if process.returncode is not None:
                raise RuntimeError(f"opendkim has ended with {process.returncode}")
            await asyncio.sleep(0.05)
