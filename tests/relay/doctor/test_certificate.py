"""The certificate is there, for our name, in time, believed, and its key is closed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from relay.config import TlsConfig
from relay.daemon.tls import write_self_signed
from relay.doctor.certificate import check_certificate
from relay.doctor.finding import Finding, Grade
from tests.fakes.clock import FakeClock

HOSTNAME = "mail.example.test"


@pytest.fixture
def now() -> datetime:
    # trustme dates its certificates by the clock of the machine.
    return datetime(2030, 1, 1, tzinfo=UTC)


def issue(directory: Path, *names: str, until: datetime, alone: bool = False) -> TlsConfig:
    issued = trustme.CA().create_child_ca().issue_cert(*names, not_after=until)
    chain = issued.cert_chain_pems[:1] if alone else issued.cert_chain_pems
    certificate, key = directory / "fullchain.pem", directory / "privkey.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in chain))
    key.write_bytes(issued.private_key_pem.bytes())
    key.chmod(0o600)
    return TlsConfig(certificate=certificate, private_key=key)


def look(tls: TlsConfig, now: datetime, *, needed: bool = True) -> dict[str, Finding]:
    found = check_certificate(tls, HOSTNAME, now, needed=needed)
    return {finding.what: finding for finding in found}


@pytest.mark.parametrize("name", [HOSTNAME, "*.example.test"])
def test_a_good_one_is_well(tmp_path: Path, now: datetime, name: str) -> None:
    found = look(issue(tmp_path, name, until=now + timedelta(days=60)), now)
    assert {finding.grade for finding in found.values()} == {Grade.OK}
    assert found["TLS validity"].found == "60 days, until 2030-03-02"


@pytest.mark.parametrize("name", ["other.example.test", "*.test", "*.mail.example.test"])
def test_one_of_another_name_is_a_problem(tmp_path: Path, now: datetime, name: str) -> None:
    found = look(issue(tmp_path, name, until=now + timedelta(days=60)), now)
    assert found["TLS name"].grade is Grade.PROBLEM


@pytest.mark.parametrize(
    ("left", "grade"),
    [
        (timedelta(days=15), Grade.OK),
        (timedelta(days=14), Grade.WARNING),
        (timedelta(hours=1), Grade.WARNING),
        (timedelta(0), Grade.PROBLEM),
        (timedelta(days=-3), Grade.PROBLEM),
    ],
)
def test_the_days_left_are_counted(tmp_path: Path, now: datetime, left: timedelta, grade: Grade) -> None:
    assert look(issue(tmp_path, HOSTNAME, until=now + left), now)["TLS validity"].grade is grade


def test_one_that_is_not_valid_yet_points_at_the_clock(tmp_path: Path, now: datetime) -> None:
    tls = issue(tmp_path, HOSTNAME, until=now)
    finding = look(tls, datetime(1999, 1, 1, tzinfo=UTC))["TLS validity"]
    assert finding.grade is Grade.PROBLEM
    assert "clock" in finding.advice


def test_one_that_signs_itself_is_a_warning(tmp_path: Path, clock: FakeClock) -> None:
    certificate, key = write_self_signed(tmp_path, HOSTNAME, clock)
    found = look(TlsConfig(certificate=certificate, private_key=key), clock.now())
    assert found["TLS chain"].grade is Grade.WARNING
    assert {finding.grade for what, finding in found.items() if what != "TLS chain"} == {Grade.OK}


def test_one_without_its_chain_is_a_warning(tmp_path: Path, now: datetime) -> None:
    found = look(issue(tmp_path, HOSTNAME, until=now + timedelta(days=60), alone=True), now)
    assert found["TLS chain"].grade is Grade.WARNING


def test_a_key_that_others_may_read_is_a_warning(tmp_path: Path, now: datetime) -> None:
    tls = issue(tmp_path, HOSTNAME, until=now + timedelta(days=60))
    assert tls.private_key is not None
    tls.private_key.chmod(0o644)
    assert look(tls, now)["TLS key"].advice == f"chmod o-rwx {tls.private_key}"


def test_the_key_of_another_certificate_is_a_problem(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "other").mkdir()
    ours = issue(tmp_path, HOSTNAME, until=now + timedelta(days=60))
    other = issue(tmp_path / "other", HOSTNAME, until=now + timedelta(days=60))
    mixed = TlsConfig(certificate=ours.certificate, private_key=other.private_key)
    assert look(mixed, now)["TLS key"].grade is Grade.PROBLEM


def test_files_that_are_missing_or_no_pem_are_problems(tmp_path: Path, now: datetime) -> None:
    tls = TlsConfig(certificate=tmp_path / "no.pem", private_key=tmp_path / "no.key")
    assert look(tls, now)["TLS certificate"].grade is Grade.PROBLEM
    (tmp_path / "no.pem").write_text("nothing")
    assert look(tls, now)["TLS certificate"].grade is Grade.PROBLEM


@pytest.mark.parametrize(("needed", "grade"), [(True, Grade.PROBLEM), (False, Grade.WARNING)])
def test_none_at_all_weighs_as_much_as_it_is_needed(now: datetime, needed: bool, grade: Grade) -> None:
    assert look(TlsConfig(), now, needed=needed)["TLS certificate"].grade is grade
