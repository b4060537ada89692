"""`posthouse quickstart` below a prefix: everything stands afterwards, and a second run changes nothing."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from relay.cli.main import build
from relay.clock import SystemClock
from relay.config import load_config
from relay.doctor.certificate import check_certificate
from relay.doctor.finding import Grade
from relay.quickstart.units import this_command

ADDRESS, HOSTNAME = "ann@example.test", "mail.example.test"
# The store looks after these itself whenever it is opened.
LIVELY = {"posthouse.db", "posthouse.db.lock", "posthouse.db-wal", "posthouse.db-shm", "posthouse.db.ballast"}


def quickstart(prefix: Path, *options: str, address: str = ADDRESS, hostname: str = HOSTNAME) -> Result:
    arguments = ["quickstart", address, "--hostname", hostname, "--prefix", str(prefix), *options]
    return CliRunner().invoke(build(), arguments)


def quickstart_json(prefix: Path, *options: str, **more: str) -> dict[str, Any]:
    result = quickstart(prefix, "--json", *options, **more)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def files_below(prefix: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(prefix)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in prefix.rglob("*")
        if path.is_file() and path.name not in LIVELY
    }


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_everything_stands_with_its_modes(tmp_path: Path) -> None:
    done = quickstart_json(tmp_path)
    etc, home = tmp_path / "etc", tmp_path / "var" / "lib" / "posthouse"
    assert mode(etc / "posthouse") == 0o750
    assert mode(etc / "posthouse" / "config.toml") == 0o640
    assert mode(home) == mode(home / "dkim_keys") == mode(home / "tls") == 0o700
    keys = list((home / "dkim_keys" / "example.test").glob("*.pem"))
    assert [mode(key) for key in keys] == [0o600, 0o600]
    assert mode(home / "tls" / "tls.key") == 0o600
    assert (etc / "sysusers.d" / "posthouse.conf").is_file()
    assert (etc / "systemd" / "system" / "posthouse-smtp.socket").is_file()
    assert done["smtp_password"]
    assert done["domain"]["status"] == "pending"


def test_the_configuration_is_valid_and_names_the_doors(tmp_path: Path) -> None:
    quickstart_json(tmp_path)
    config = load_config(tmp_path / "etc" / "posthouse" / "config.toml", environ={}).config
    assert config.server.hostname == HOSTNAME
    assert config.server.data_dir == Path("/var/lib/posthouse")
    assert [str(door) for door in (*config.submission.listen, *config.submission.listen_tls)] == [
        "fd:submission",
        "fd:submissions",
    ]
    assert str(config.inbound.listen[0]) == "fd:smtp"


def test_without_systemd_the_doors_are_addresses_and_no_unit_is_installed(tmp_path: Path) -> None:
    quickstart_json(tmp_path, "--no-systemd")
    document = tomllib.loads((tmp_path / "etc" / "posthouse" / "config.toml").read_text())
    assert document["inbound"]["listen"][0].endswith(":25")
    assert document["submission"]["listen_tls"][0].endswith(":465")
    assert not (tmp_path / "etc" / "systemd").exists()


def test_the_unit_starts_this_installation(tmp_path: Path) -> None:
    quickstart_json(tmp_path)
    unit = (tmp_path / "etc" / "systemd" / "system" / "posthouse.service").read_text()
    assert f"ExecStart={this_command()} serve --config /etc/posthouse/config.toml\n" in unit
    assert "/opt/posthouse/venv" not in unit


def test_starttls_works_before_anybody_has_a_certificate(tmp_path: Path) -> None:
    quickstart_json(tmp_path)
    config = load_config(tmp_path / "etc" / "posthouse" / "config.toml", environ={}).config
    home = tmp_path / "var" / "lib" / "posthouse" / "tls"
    staged = type(config.tls)(certificate=home / "tls.crt", private_key=home / "tls.key")
    found = check_certificate(staged, HOSTNAME, SystemClock().now(), needed=True)
    assert {finding.what: finding.grade for finding in found}["TLS key"] is Grade.OK
    assert {finding.what: finding.grade for finding in found}["TLS name"] is Grade.OK


def test_the_table_names_every_record(tmp_path: Path) -> None:
    records = quickstart_json(tmp_path)["records"]
    named = {
        (record["type"], record["name"].partition("._domainkey")[2] or record["name"]) for record in records
    }
    assert named >= {
        ("A", HOSTNAME),
        ("MX", "example.test"),
        ("TXT", "example.test"),
        ("TXT", ".example.test"),
        ("TXT", "_dmarc.example.test"),
        ("MX", "bounces.example.test"),
        ("TXT", "bounces.example.test"),
    }
    assert sum("_domainkey" in record["name"] for record in records) == 2


def test_people_see_password_ptr_and_what_comes_next(tmp_path: Path) -> None:
    output = quickstart(tmp_path).output
    for part in (
        "shown once",
        "PTR",
        "systemctl enable --now posthouse.target",
        "posthouse doctor",
        "certbot",
    ):
        assert part in output


def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    first = quickstart_json(tmp_path)
    before = files_below(tmp_path)
    second = quickstart_json(tmp_path)
    assert files_below(tmp_path) == before
    assert {step["deed"] for step in second["steps"]} == {"kept", "left out"}
    assert second["smtp_password"] is None
    assert second["records"] == first["records"]


def test_a_second_address_joins_the_first(tmp_path: Path) -> None:
    first = quickstart_json(tmp_path)
    second = quickstart_json(tmp_path, address="bob@example.test")
    assert second["domain"]["id"] == first["domain"]["id"]
    assert second["mailbox"] != first["mailbox"]
    assert second["smtp_password"]


def test_what_the_operator_changed_is_kept_and_named(tmp_path: Path) -> None:
    quickstart_json(tmp_path)
    file = tmp_path / "etc" / "posthouse" / "config.toml"
    file.write_text(file.read_text().replace(HOSTNAME, "other.example.test"))
    unit = tmp_path / "etc" / "systemd" / "system" / "posthouse.service"
    unit.write_text("# ours\n")
    result = quickstart(tmp_path)
    assert "names this machine other.example.test" in result.output
    assert "10 other.example.test" in result.output
    assert unit.read_text() == "# ours\n"
    deeds = {step["what"]: step["deed"] for step in quickstart_json(tmp_path, "--renew-units")["steps"]}
    assert deeds["/etc/systemd/system/posthouse.service"] == "renewed"
    assert deeds["/etc/posthouse/config.toml"] == "kept, differs"


def test_certificates_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    quickstart_json(tmp_path)
    file = tmp_path / "etc" / "posthouse" / "config.toml"
    file.write_text(file.read_text().replace("/var/lib/posthouse/tls/", "/etc/posthouse/certbot/"))
    tls = tmp_path / "var" / "lib" / "posthouse" / "tls"
    for path in tls.iterdir():
        path.unlink()
    quickstart_json(tmp_path)
    assert list(tls.iterdir()) == []
    assert not (tmp_path / "etc" / "posthouse" / "certbot").exists()


def test_a_wrong_configuration_stops_before_anything_is_added(tmp_path: Path) -> None:
    (tmp_path / "etc" / "posthouse").mkdir(parents=True)
    (tmp_path / "etc" / "posthouse" / "config.toml").write_text("[server]\nhostnam = 'x'\n")
    result = quickstart(tmp_path)
    assert result.exit_code == 78
    assert "hostname" in result.stderr
    assert not (tmp_path / "var" / "lib" / "posthouse" / "posthouse.db").exists()


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    steps = quickstart_json(tmp_path, "--dry-run")["steps"]
    assert list(tmp_path.iterdir()) == []
    assert {step["deed"] for step in steps} == {"would make", "left out"}


def test_without_root_and_prefix_it_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = CliRunner().invoke(build(), ["quickstart", ADDRESS, "--hostname", HOSTNAME])
    assert result.exit_code == 1
    assert "sudo" in result.stderr
    assert "--prefix" in result.stderr


@pytest.mark.parametrize(
    ("address", "hostname"),
    [
        ("example.test", HOSTNAME),
        ("ann@localhost", HOSTNAME),
        ("ann@[192.0.2.1]", HOSTNAME),
        (ADDRESS, "mail"),
        (ADDRESS, "[192.0.2.1]"),
        (ADDRESS, "no host.test"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(tmp_path: Path, address: str, hostname: str) -> None:
    result = quickstart(tmp_path, address=address, hostname=hostname)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
