"""Ports for programs that must be told one before they start.

They lie below those that the kernel gives to whoever asks for any, so that
nobody takes one between its choice and its use; each process of the tests
has a range of its own.
"""

import os
import random
import socket

_FIRST, _EACH = 10_000, 2_500


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = _FIRST + _EACH * (worker % 8) + random.randrange(_EACH)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
