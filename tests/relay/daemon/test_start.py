"""What `posthouse serve` promises before it says READY, and when it cannot."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.daemon import DOORS, ROOT, Daemon, MakeDaemon, run_program, write_settings
from tests.fakes.far_mx import FarMx
from tests.fakes.ports import free_port
from tests.relay.daemon.client import gets, sends


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


def serve(daemon: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A run that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "relay", "serve", "--config", daemon.config_file, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )


async def test_ready_is_said_when_every_door_answers(daemon: Daemon, mx: FarMx) -> None:
    await daemon.start()
    assert (await greeting(daemon.ports["submission"])).startswith(b"220 mail.ours.test ")
    assert (await greeting(daemon.ports["inbound"])).startswith(b"220 mail.ours.test ")
    assert (await gets(daemon, "/health"))[0] == 200
    assert (await gets(daemon, "/ready"))[0] == 200
    await sends(daemon)
    await mx.messages_arrive()
    status, metrics = await gets(daemon, "/metrics")
    assert status == 200
    assert re.search(r"^posthouse_\w+", metrics, re.MULTILINE)
    assert await daemon.stop() == 0


async def test_it_binds_the_addresses_that_are_configured(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon(
        {
            "submission.listen": ["127.0.0.1:0"],
            "submission.listen_tls": ["127.0.0.1:0"],
            "inbound.listen": ["127.0.0.1:0", "[::1]:0"],
            "api.listen": ["127.0.0.1:0"],
        }
    )
    await daemon.start()
    ports = dict(re.findall(r"(\S+) (?:127\.0\.0\.1):(\d+)", daemon.log))
    assert set(ports) == {"submission", "submissions", "inbound", "http"}
    assert re.search(r"inbound \[::1\]:\d+", daemon.log)
    assert (await greeting(int(ports["submission"]))).startswith(b"220 ")


async def test_after_a_kill_with_open_sessions_its_address_is_free_again(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"submission.listen": [f"127.0.0.1:{(port := free_port())}"]})
    await daemon.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    await daemon.kill()
    await daemon.start()
    assert (await greeting(port)).startswith(b"220 ")
    writer.close()


@pytest.mark.parametrize(
    ("role", "doors"),
    [
        ("submission", {"submission", "submissions"}),
        ("inbound", {"inbound"}),
        ("api", {"http"}),
        ("delivery", set[str]()),
    ],
)
async def test_a_role_opens_its_own_doors_only(make_daemon: MakeDaemon, role: str, doors: set[str]) -> None:
    daemon = await make_daemon({key: ["127.0.0.1:0"] for key in DOORS.values()})
    await daemon.start("--roles", role)
    assert set(re.findall(r"(\w+) 127\.0\.0\.1:\d+", daemon.log)) == doors


async def test_a_process_without_delivery_only_stores(daemon: Daemon, mx: FarMx) -> None:
    await daemon.start("--roles", "submission")
    await sends(daemon)
    assert await daemon.stop() == 0
    assert mx.received == []
    await daemon.start("--roles", "delivery")
    await mx.messages_arrive()


async def test_a_second_process_on_the_store_says_who_has_it(daemon: Daemon) -> None:
    await daemon.start()
    second = await asyncio.to_thread(serve, daemon)
    assert second.returncode == 1
    assert str(daemon.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert len(second.stderr.splitlines()) == 1


async def test_an_address_in_use_is_named_in_one_line(make_daemon: MakeDaemon) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = {key: ["127.0.0.1:0"] for key in DOORS.values()} | {"inbound.listen": [address]}
        daemon = await make_daemon(settings)
        run = await asyncio.to_thread(serve, daemon)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: ")
    assert address in run.stderr
    assert "Address already in use" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"tls.certificate": "missing.pem"}, "missing.pem"),
        ({"tls.certificate": None, "tls.private_key": None}, "submission.listen_tls"),
        ({"delivery.smarthost": "smtp://user@:99999"}, "smarthost"),
        ({"inbound.listen": ["fd:nobody"]}, "nobody"),
    ],
    ids=["certificate", "implicit TLS without one", "smarthost", "socket"],
)
async def test_what_cannot_be_used_is_named_in_one_line(
    make_daemon: MakeDaemon, settings: Mapping[str, object], named: str
) -> None:
    daemon = await make_daemon()
    write_settings(daemon.config_file, {**{key: ["127.0.0.1:0"] for key in DOORS.values()}, **settings})
    run = await asyncio.to_thread(serve, daemon)
    assert run.returncode in (1, 2, 78)
    assert named in run.stderr
    assert "Traceback" not in run.stderr
    assert len([line for line in run.stderr.splitlines() if line.startswith("error: ")]) == 1


async def test_a_store_that_is_no_store_is_named_in_one_line(daemon: Daemon) -> None:
    assert daemon.config.store_file is not None
    for file in daemon.config.server.data_dir.glob("posthouse.db*"):
        file.unlink()
    daemon.config.store_file.write_bytes(b"this is not a database, " * 1000)
    run = await asyncio.to_thread(serve, daemon)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert "posthouse.db" in run.stderr
    assert "Traceback" not in run.stderr


async def test_a_data_directory_that_cannot_be_made_is_named_in_one_line(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon()
    in_the_way = daemon.directory / "file"
    in_the_way.touch()
    text = daemon.config_file.read_text().replace('"data"', f'"{in_the_way}/data"')
    daemon.config_file.write_text(text)
    run = await asyncio.to_thread(serve, daemon)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert str(in_the_way) in run.stderr
    assert "Traceback" not in run.stderr


async def test_an_unknown_key_ends_with_78_and_the_nearest_known_one(daemon: Daemon) -> None:
    with daemon.config_file.open("a") as file:
        file.write('delivery.smarthosst = "127.0.0.1:25"\n')
    run = await asyncio.to_thread(serve, daemon)
    assert run.returncode == 78
    assert str(daemon.config_file) in run.stderr
    assert "smarthosst" in run.stderr
    assert "delivery.smarthost" in run.stderr.replace("smarthosst", "")


async def test_an_unknown_role_is_wrong_usage(daemon: Daemon) -> None:
    run = await asyncio.to_thread(serve, daemon, "--roles", "submission,ferry")
    assert run.returncode == 2
    assert "ferry" in run.stderr


async def test_commands_work_beside_it(daemon: Daemon, tmp_path: Path) -> None:
    await daemon.start()
    posthouse = (sys.executable, "-m", "relay")
    options = ("--config", daemon.config_file, "--json")
    added = await run_program(*posthouse, "mailbox", "add", "desk@ours.test", *options, directory=ROOT)
    assert '"smtp_password"' in added
    listed = await run_program(*posthouse, "mailbox", "list", *options, directory=ROOT)
    assert '"desk@ours.test"' in listed
