"""S3-compatible storage of our own: OpenStack Swift as Debian has it, for one test session."""

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NEEDED = "OpenStack Swift is not installed (Debian: python3-swift)"
# Whatever is first on the path may be another Python.
_PYTHON = Path("/usr/bin/python3")
_SERVER = Path(__file__).with_name("swift_server.py")
ACCESS_KEY, SECRET_KEY, BUCKET = "test:tester", "testing", "mail"
_numbers = itertools.count(1)


def is_installed() -> bool:
    if not _PYTHON.exists():
        return False
    asked = subprocess.run([_PYTHON, "-c", "import swift, eventlet"], capture_output=True, check=False)
    return asked.returncode == 0


class ObjectStorage:
    """One server, with a bucket in it."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"

    def settings(self, **other: Any) -> dict[str, Any]:
        """The settings of a house that has a part of the bucket to itself."""
        return {
            "store.bodies": f"s3://{BUCKET}/test{next(_numbers)}",
            "store.bodies_endpoint": self.endpoint,
            "store.bodies_access_key": ACCESS_KEY,
            "store.bodies_secret_key": SECRET_KEY,
            **other,
        }


@contextmanager
def running_storage() -> Iterator[ObjectStorage]:
    """A server for the length of the block."""
    directory = Path(tempfile.mkdtemp(prefix="ph-s3-"))
    try:
        with subprocess.Popen(
            [_PYTHON, _SERVER, directory, ACCESS_KEY, SECRET_KEY, BUCKET],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                yield ObjectStorage(int(server.stdout.readline()))
            finally:
                server.stdin.close()  # which ends it
                server.wait()
    finally:
        shutil.rmtree(directory)
