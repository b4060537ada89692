"""Daemons to kill, and a nameserver."""

from tests.fakes.disk import tmp_path
from tests.fakes.fixtures import dns, make_daemon

__all__ = ["dns", "make_daemon", "tmp_path"]
