"""`domain verify` and `doctor` as people run them, with a nameserver of their own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from relay.cli.doctor import look_inside
from relay.cli.main import build
from relay.config import build_config
from relay.control.address import listen
from relay.control.dns_check import Examine
from relay.control.wire import socket_path
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns

__all__ = ["dns"]

ROOT = Path(__file__).parents[3]
Ask = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('[server]\nhostname = "mail.example.test"\n[store]\nmin_free = "0B"\n')
    return file


@pytest.fixture
def serve_dns(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], str]]:
    started: list[subprocess.Popen[str]] = []

    def serve(zone: dict[str, Any]) -> str:
        file = tmp_path / "zone.json"
        file.write_text(json.dumps(zone))
        command = [sys.executable, "-m", "tests.fakes.dns_server", str(file)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    yield serve
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def ask(config: Path) -> Ask:
    def call(*arguments: str, nameserver: str = "127.0.0.1:1") -> Result:
        environ = {
            "POSTHOUSE__DNS__NAMESERVERS": nameserver,
            "POSTHOUSE__DNS__TIMEOUT": "5s",
            "POSTHOUSE__DELIVERY__SOURCE_ADDRESSES": "127.0.0.1",
        }
        return CliRunner(env=environ).invoke(build(), ["--config", str(config), *arguments])

    return call


def zone_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    zone: dict[str, dict[str, list[str]]] = {"mail.example.test": {"A": ["192.0.2.25"]}}
    for record in records:
        value = record["value"]
        pieces = [value[start : start + 255] for start in range(0, len(value), 255)]
        text = " ".join(json.dumps(piece) for piece in pieces)
        data = f"{record['priority']} {value}." if record["type"] == "MX" else text
        zone.setdefault(record["name"], {}).setdefault(record["type"], []).append(data)
    return zone


def test_a_domain_goes_from_missing_to_verified(ask: Ask, serve_dns: Callable[[dict[str, Any]], str]) -> None:
    added = json.loads(ask("domain", "add", "example.test", "--json").stdout)
    empty = serve_dns({"example.test": {"TYPE65400": []}})
    missing = ask("domain", "verify", "example.test", nameserver=empty)
    assert missing.exit_code == 1
    assert "pending" in missing.stdout
    for record in added["records"]:
        assert f"- {record['type']} {record['name']}: " in missing.stdout
    full = serve_dns(zone_of(added["records"]))
    verified = ask("domain", "verify", "example.test", nameserver=full)
    assert verified.exit_code == 0, verified.output
    assert "our DKIM key stands in the DNS" in verified.stdout
    assert "- " not in verified.stdout
    document = json.loads(ask("domain", "verify", "example.test", "--json", nameserver=full).stdout)
    assert document["verified"] is True
    assert {record["ok"] for record in document["records"]} == {True}


def test_a_silent_dns_changes_nothing_and_says_so(
    ask: Ask, serve_dns: Callable[[dict[str, Any]], str]
) -> None:
    added = json.loads(ask("domain", "add", "example.test", "--assume-verified", "--json").stdout)
    broken = serve_dns({record["name"]: "servfail" for record in added["records"]})
    result = ask("domain", "verify", "example.test", nameserver=broken)
    assert result.exit_code == 0
    assert "nothing is changed" in result.stdout
    assert "no answer" in result.stdout


def test_an_unknown_domain_fails(ask: Ask) -> None:
    result = ask("domain", "verify", "nobody.test")
    assert result.exit_code == 1
    assert "nobody.test" in result.stderr


def test_the_doctor_exits_1_for_a_problem_and_prints_what_to_do(
    ask: Ask, serve_dns: Callable[[dict[str, Any]], str]
) -> None:
    result = ask("doctor", "--mx", "127.0.0.1:1", nameserver=serve_dns({"": {"NS": ["a.root.test."]}}))
    assert result.exit_code == 1
    for part in ("problem  name mail.example.test", "→ point mail.example.test", "Connection refused"):
        assert part in result.stdout
    assert "ok       nameserver" in result.stdout


def test_the_doctor_speaks_json(ask: Ask, serve_dns: Callable[[dict[str, Any]], str]) -> None:
    nameserver = serve_dns({"": {"NS": ["a.root.test."]}})
    found = json.loads(ask("doctor", "--mx", "127.0.0.1:1", "--json", nameserver=nameserver).stdout)
    assert {finding["grade"] for finding in found} <= {"ok", "unknown", "warning", "problem"}
    assert {"store", "disk", "clock", "service"} <= {finding["what"] for finding in found}


def test_the_doctor_examines_a_house_whose_store_is_lost(
    ask: Ask, config: Path, serve_dns: Callable[[dict[str, Any]], str]
) -> None:
    data = config.parent / "data"
    data.mkdir(mode=0o700)
    (data / "posthouse.db").write_text("this is no database")
    nameserver = serve_dns({"": {"NS": ["a.root.test."]}})
    found = json.loads(ask("doctor", "--mx", "127.0.0.1:1", "--json", nameserver=nameserver).stdout)
    [store] = [finding for finding in found if finding["what"] == "store"]
    assert store["grade"] == "problem"
    assert "SQLite" in store["found"]


def test_the_doctor_wants_to_know_where_to_knock(ask: Ask) -> None:
    assert ask("doctor", "--mx", "mx:nonsense").exit_code == 2


async def test_the_doctor_does_not_wait_for_a_daemon_that_hangs(config: Path, dns: FakeDns) -> None:
    data = config.parent / "data"
    data.mkdir(mode=0o700)
    listener = listen(socket_path(data))  # nobody ever reads from it
    try:
        settings: dict[str, object] = {
            "server.data_dir": str(data),
            "dns.nameservers": [dns.nameserver],
            "delivery.source_addresses": ["127.0.0.1"],
        }
        holds = build_config(settings, base=config.parent)
        wanted = Examine(exchangers=("127.0.0.1:1",))
        found = await look_inside(holds, wanted, timedelta(milliseconds=100))
    finally:
        listener.close()
    [store] = [finding for finding in found if finding.what == "store"]
    assert "the daemon has not answered" in store.found
