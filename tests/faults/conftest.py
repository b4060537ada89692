"""Daemons that meet faults, a nameserver and a far exchanger."""

from tests.fakes.disk import tmp_path
from tests.fakes.fixtures import dns, make_daemon, mx

__all__ = ["dns", "make_daemon", "mx", "tmp_path"]
