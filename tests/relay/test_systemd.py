"""The service manager's sockets are found by name, and it hears how we are."""

import os
import socket
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from relay.systemd import NoSuchSocket, ServiceManager, inherit_sockets, watchdog_interval
from tests.fakes.clock import FakeClock
from tests.fakes.service_manager import FakeServiceManager

SERVICE = """
import os, sys
from relay.systemd import ServiceManager, inherit_sockets, watchdog_interval
inherited, interval = inherit_sockets(), watchdog_interval()
manager = ServiceManager.from_environment()
left = [name for name in os.environ if name.startswith(("LISTEN_", "WATCHDOG_", "NOTIFY_"))]
ports = [one.getsockname()[1] for one in inherited.take("smtp")]
private = all(not one.get_inheritable() and not one.getblocking() for one in inherited.take("smtp"))
manager.ready(f"{ports} {private} {inherited.untaken()} {interval} {left}")
sys.stdin.read()
manager.stopping("going")
"""


@pytest.mark.parametrize("abstract", [False, True])
async def test_a_service_takes_its_sockets_and_says_ready(tmp_path: Path, abstract: bool) -> None:
    with FakeServiceManager(tmp_path, watchdog=timedelta(seconds=30), abstract=abstract) as manager:
        ports = [manager.listen("smtp"), manager.listen("smtp")]
        manager.listen("http")

        manager.start([sys.executable, "-c", SERVICE])

        status = (await manager.hears("READY=1"))["STATUS"]
        assert status == f"{ports} True ('http',) 0:00:30 []"


async def test_every_word_to_the_service_manager_has_its_form(tmp_path: Path) -> None:
    with FakeServiceManager(tmp_path) as manager:
        environ = manager.environment
        ours = ServiceManager.from_environment(environ)
        assert environ == {}

        ours.status("two\nlines\x0bREADY=1")
        ours.alive()
        ours.reloading(FakeClock())
        ours.extend_timeout(timedelta(seconds=5))
        ours.stopping("draining")
        await manager.hears("STOPPING=1")
        ours.close()

        assert manager.heard == [
            {"STATUS": "two lines READY=1"},
            {"WATCHDOG": "1"},
            {"RELOADING": "1", "MONOTONIC_USEC": "1000000000"},
            {"EXTEND_TIMEOUT_USEC": "5000000"},
            {"STOPPING": "1", "STATUS": "draining"},
        ]


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    for address in ("", str(tmp_path / "nobody"), "vsock:2:1234"):
        manager = ServiceManager.from_environment({"NOTIFY_SOCKET": address})
        manager.ready("up")
        manager.close()
    assert inherit_sockets({}).untaken() == ()
    with pytest.raises(NoSuchSocket, match="there: none"):
        inherit_sockets({}).take("smtp")


def test_sockets_of_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}
    assert inherit_sockets(environ).untaken() == ()
    assert environ == {}


def test_a_descriptor_that_does_not_listen_is_an_error() -> None:
    with socket.socket() as idle:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
        with pytest.raises(NoSuchSocket, match="not a listening socket"):
            inherit_sockets(environ, first_fd=idle.fileno())
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
    with pytest.raises(NoSuchSocket, match="not a socket"):
        inherit_sockets(environ, first_fd=4000)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "30000000"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, timedelta(seconds=30)),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
    ],
)
def test_the_watchdog_is_ours_only_when_it_names_us(
    environ: dict[str, str], expected: timedelta | None
) -> None:
    assert watchdog_interval(environ, pid=7) == expected
