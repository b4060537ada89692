"""Directories on a disk, for tests of what disks do: `./check` keeps those of all others in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In the place of pytest's own: empty, and gone after the test."""
    with tempfile.TemporaryDirectory(prefix="posthouse-", dir="/var/tmp") as directory:
        yield Path(directory)
