"""Doors, files, the unit, the domains; and all of it together."""

import os
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from relay.config import Config, InheritedListener, Listener, build_config
from relay.control.context import Context
from relay.control.dns_check import Examine, doctor
from relay.doctor.examination import Patient, examine, look_around
from relay.doctor.files import check_data, check_key_files, check_store
from relay.doctor.finding import Finding, Grade
from relay.doctor.listeners import check_listener, listens_beyond_loopback, where_to_knock
from relay.doctor.port25 import Exchanger
from relay.doctor.service import check_service, judge_service, read_properties
from relay.station import Station, open_station
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fresh_store import put_store
from tests.relay.verification.house import HOSTNAME, VerifiedHouse, add_domain


@pytest.fixture
def config(tmp_path: Path, dns: FakeDns) -> Config:
    settings: dict[str, object] = {
        "server.hostname": HOSTNAME,
        "server.data_dir": "data",
        "store.min_free": "0B",
        "dkim.key_dir": "keys",
        "dns.nameservers": [dns.nameserver],
        "delivery.source_addresses": ["127.0.0.1"],
        "submission.listen": ["127.0.0.1:0"],
        "inbound.listen": ["127.0.0.1:0"],
        "api.listen": ["127.0.0.1:0"],
    }
    return build_config(settings, base=tmp_path)


@pytest.fixture
async def station(config: Config, clock: FakeClock) -> AsyncIterator[Station]:
    put_store(config.server.data_dir / "posthouse.db")
    async with open_station(config, clock) as opened:
        yield opened
        opened.directory.close()


@pytest.fixture
async def house(station: Station, clock: FakeClock, dns: FakeDns) -> VerifiedHouse:
    return VerifiedHouse(station, dns, clock, await add_domain(station, "example.test"))


async def test_a_door_that_greets_is_well(mx: FarMx) -> None:
    finding = await check_listener(Listener(mx.host, mx.port), "inbound", True)
    assert finding.grade is Grade.OK


async def test_a_door_with_nobody_behind_it_is_a_problem() -> None:
    with socket.socket() as bound:  # never listens
        bound.bind(("127.0.0.1", 0))
        finding = await check_listener(Listener(*bound.getsockname()), "http", False)
    assert (finding.grade, finding.found) == (Grade.PROBLEM, "Connection refused")


async def test_a_port_that_nobody_knows_is_unknown() -> None:
    assert (await check_listener(Listener("127.0.0.1", 0), "http", False)).grade is Grade.UNKNOWN
    assert (await check_listener(InheritedListener("theirs"), "http", False)).grade is Grade.UNKNOWN


def test_sockets_of_units_and_of_all_addresses_are_knocked_at_here() -> None:
    assert where_to_knock(InheritedListener("smtp")) == Exchanger("127.0.0.1", 25)
    assert where_to_knock(Listener("0.0.0.0", 587)) == Exchanger("127.0.0.1", 587)
    assert where_to_knock(Listener("::", 587)) == Exchanger("::1", 587)


def test_only_loopback_is_near() -> None:
    assert not listens_beyond_loopback([Listener("127.0.0.1", 1), Listener("::1", 1)])
    assert listens_beyond_loopback([Listener("0.0.0.0", 1)])
    assert listens_beyond_loopback([InheritedListener("submission")])


def test_a_data_directory_that_is_closed_is_well(data_dir: Path) -> None:
    [finding] = check_data(data_dir, data_dir / "posthouse.db")
    assert finding.grade is Grade.OK
    data_dir.chmod(0o755)
    [finding] = check_data(data_dir, data_dir / "posthouse.db")
    assert (finding.grade, finding.advice) == (Grade.WARNING, f"chmod 0700 {data_dir}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_in_it_is_a_problem(data_dir: Path) -> None:
    os.chown(data_dir, 54321, 54321)
    (data_dir / "posthouse.db-wal").touch()
    [finding] = check_data(data_dir, None)
    assert finding.grade is Grade.PROBLEM
    assert "posthouse.db-wal" in finding.found
    assert finding.advice == f"chown -R 54321: {data_dir}"


def test_a_missing_data_directory_is_a_problem(tmp_path: Path) -> None:
    assert check_data(tmp_path / "missing", None)[0].grade is Grade.PROBLEM


def test_a_key_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    key = tmp_path / "example.test" / "ph1r.pem"
    key.parent.mkdir(mode=0o700)
    key.touch(0o600)
    assert check_key_files(tmp_path)[0].grade is Grade.OK
    key.chmod(0o640)
    [finding] = check_key_files(tmp_path)
    assert (finding.grade, finding.advice) == (Grade.PROBLEM, f"chmod 0600 {key}")
    assert check_key_files(tmp_path / "missing")[0].grade is Grade.OK


def test_a_store_in_trouble_says_so() -> None:
    assert check_store(None, opened=True).grade is Grade.OK
    assert "accepts again" in check_store("the disk is full", opened=True).advice
    assert "damaged" in check_store("it does not begin like an SQLite file", opened=False).advice


@pytest.mark.parametrize(
    ("properties", "grade"),
    [
        (
            "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=0",
            Grade.OK,
        ),
        ("LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=disabled", Grade.WARNING),
        ("LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNRestarts=7", Grade.WARNING),
        ("LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code", Grade.PROBLEM),
        ("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nResult=watchdog", Grade.PROBLEM),
        ("LoadState=not-found\nActiveState=inactive", Grade.WARNING),
        ("", Grade.WARNING),
    ],
)
def test_the_unit_is_judged_by_what_systemd_says(properties: str, grade: Grade) -> None:
    assert judge_service(read_properties(properties)).grade is grade


async def test_where_systemd_does_not_run_nothing_is_said(tmp_path: Path) -> None:
    [finding] = await check_service(tmp_path / "missing")
    assert finding.grade is Grade.UNKNOWN


async def test_systemctl_is_asked_and_its_absence_is_no_fault(tmp_path: Path) -> None:
    asked = tmp_path / "systemctl"
    asked.write_text(
        "#!/bin/sh\necho LoadState=loaded\necho ActiveState=active\necho UnitFileState=enabled\n"
    )
    asked.chmod(0o755)
    [finding] = await check_service(tmp_path, str(asked))
    assert finding.grade is Grade.OK
    [finding] = await check_service(tmp_path, str(tmp_path / "missing"))
    assert finding.grade is Grade.UNKNOWN


async def test_everything_in_place_has_no_problem(
    house: VerifiedHouse, config: Config, dns: FakeDns, mx: FarMx
) -> None:
    dns.add("", "NS", "a.root.test.")
    dns.address(HOSTNAME, "9.9.9.25")
    dns.ptr("9.9.9.25", HOSTNAME)
    await house.publish()
    await house.verify()
    patient = Patient(
        config, house.clock, house.station,
        exchangers=[Exchanger(mx.host, mx.port)], leaving=[ip_address("9.9.9.25")],
    )  # fmt: skip
    found = await examine(patient)
    assert [finding for finding in found if finding.grade is Grade.PROBLEM] == []
    assert _grade(found, "domain example.test") is Grade.OK
    assert _grade(found, "PTR 9.9.9.25") is Grade.OK
    assert (await house.now()).checked_at == house.clock.now()


async def test_what_is_missing_is_named_record_by_record(
    house: VerifiedHouse, config: Config, mx: FarMx
) -> None:
    patient = Patient(
        config, house.clock, house.station, exchangers=[Exchanger(mx.host, mx.port)], leaving=[]
    )
    found = await examine(patient)
    assert _grade(found, "domain example.test") is Grade.PROBLEM
    assert _grade(found, f"name {HOSTNAME}") is Grade.PROBLEM
    records = [finding for finding in found if finding.what.startswith(("TXT", "MX"))]
    assert len(records) == 7
    # The examination looks; it is `domain verify` that writes.
    assert (await house.now()).checked_at is None


async def test_a_store_that_cannot_be_opened_leaves_the_rest_to_be_examined(
    config: Config, clock: FakeClock, mx: FarMx
) -> None:
    config.server.data_dir.mkdir()
    patient = Patient(
        config, clock, trouble="posthouse.db is damaged",
        exchangers=[Exchanger(mx.host, mx.port)], leaving=[],
    )  # fmt: skip
    found = await examine(patient)
    assert _grade(found, "store") is Grade.PROBLEM
    assert _grade(found, "inodes") is Grade.OK


async def test_the_operation_says_it_in_json(house: VerifiedHouse, mx: FarMx) -> None:
    found = await doctor(Context(house.station), Examine(exchangers=(f"{mx.host}:{mx.port}",)))
    assert {"what", "grade", "expected", "found", "advice"} == set(found[0])
    assert any(finding["what"] == f"port {mx.port} out" and finding["grade"] == "ok" for finding in found)


async def test_from_outside_doors_unit_and_clock_are_seen(config: Config, clock: FakeClock) -> None:
    found = await look_around(config, clock)
    whats = [finding.what for finding in found]
    assert whats == ["service", "door submission", "door inbound", "door http", "clock"]


def _grade(found: list[Finding], what: str) -> Grade:
    [grade] = [finding.grade for finding in found if finding.what == what]
    return grade
