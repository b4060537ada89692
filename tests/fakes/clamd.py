"""A real clamd that knows one virus, the EICAR test file; and what to say where it is not installed."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# In two parts, so that no scanner takes this file for one.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + rb"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
NEEDED = "clamd is not installed (Debian: clamav-daemon)"
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def clamd_is_installed() -> bool:
    return shutil.which("clamd", path=_PATH) is not None


@asynccontextmanager
async def running_clamd(directory: Path) -> AsyncIterator[Path]:
    """The path of its socket, which answers; ended with the block."""
    signatures, socket = directory / "signatures", directory / "clamd.ctl"
    signatures.mkdir()
    (signatures / "test.ndb").write_text(f"Test.File:0:*:{EICAR.hex()}\n")
    config = directory / "clamd.conf"
    config.write_text(
        f"Foreground yes\nLocalSocket {socket}\nDatabaseDirectory {signatures}\n"
        f"TemporaryDirectory {directory}\nLogFile {directory / 'clamd.log'}\nMaxThreads 2\n"
        "OfficialDatabaseOnly no\nSelfCheck 3600\n"
    )
    program = shutil.which("clamd", path=_PATH)
    assert program is not None, NEEDED
    process = await asyncio.create_subprocess_exec(
        program,
        "--config-file",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await _is_there(process, socket)
        yield socket
    finally:
        process.terminate()
        await process.communicate()


async def _is_there(process: asyncio.subprocess.Process, socket: Path) -> None:
    """It says on standard output when it listens."""
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(60):
        while not socket.exists():
            line = await process.stdout.readline()
            said += line
            assert line, said.decode()
