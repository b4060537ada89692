"""Which node this is, where several share a store: a name that comes back with the same data directory.

A node that starts again ends the leases of its earlier life at once, so no two
processes may bear one name: the file that holds it is locked while one does,
and another process on the same directory gets a name for itself.
"""

import fcntl
import os
import secrets
from pathlib import Path

from relay.store.owner import sync_directory


class NodeName:
    """`name` is `<hostname>/<chance>`; held until `release`."""

    def __init__(self, data_dir: Path, hostname: str) -> None:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = data_dir
        self._fd = os.open(data_dir / "node.id", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.name = f"{hostname}/{self._own_part() or secrets.token_hex(6)}"

    def release(self) -> None:
        """Let a later process have the name. The file stays: it is the name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _own_part(self) -> str | None:
        """What the file says, made at the first start; None while another process goes by it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        part = os.pread(self._fd, 100, 0).decode("ascii", "replace").strip()
        if not part.isalnum():
            part = self._make_part()
        return part

    def _make_part(self) -> str:
        """On disk before anybody hears of it: who forgot its name waits for its own leases."""
        part = secrets.token_hex(6)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{part}\n".encode(), 0)
        os.fsync(self._fd)
        sync_directory(self._directory)
        return part
