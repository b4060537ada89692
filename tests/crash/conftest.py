"""Daemons to kill, and a nameserver."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.daemon import MakeDaemon, keep_daemons
from tests.fakes.disk import tmp_path
from tests.fakes.fixtures import dns

__all__ = ["dns", "tmp_path"]


@pytest.fixture
async def make_daemon(tmp_path: Path) -> AsyncIterator[MakeDaemon]:
    async with keep_daemons(tmp_path) as make:
        yield make
