"""A daemon on a fresh store that must come through: no exit, no traceback in its log, no fault of ours."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.daemon import Daemon, prepare_daemon
from tests.fakes.dns_server import FakeDns


@asynccontextmanager
async def running(
    base: Path, settings: Mapping[str, Any], dns: FakeDns | None = None
) -> AsyncIterator[Daemon]:
    """Raises RuntimeError at its end when its exit code or log is not what it must be."""
    directory = Path(tempfile.mkdtemp(prefix="hostile-", dir=base))
    nameserver = dns or await FakeDns.start()
    wanted = {**settings, "dns.nameservers": [nameserver.nameserver]}
    daemon = await prepare_daemon(directory, wanted, receives=True)
    try:
        await daemon.start()
        yield daemon
        code = await daemon.stop()
        if code or "fault of ours" in daemon.log or "Traceback" in daemon.log:
            raise RuntimeError(f"it ended with {code}:\n{daemon.log[-5000:]}")
    finally:
        daemon.manager.close()
        if dns is None:
            await nameserver.stop()
        shutil.rmtree(directory)
