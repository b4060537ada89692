"""Daemons for peers to speak to, a nameserver and a far exchanger of our own."""

from tests.fakes.fixtures import dns, make_daemon, mx

__all__ = ["dns", "make_daemon", "mx"]
