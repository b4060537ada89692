"""Accounts, owners, and the places that a service can see."""

import os
import shutil
from pathlib import Path

import pytest

from relay.errors import PosthouseError
from relay.quickstart.account import Account, acting_as, find_account, making_command, owner_of
from relay.quickstart.builder import Builder, Deed
from relay.quickstart.units import NotForService, check_reachable, find_units, rendered

NOBODY = Account(65534, 65534)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@needs_root
def test_what_is_made_as_an_account_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "theirs"
    place.mkdir()
    os.chown(place, NOBODY.uid, NOBODY.gid)
    # The directories above are pytest's own, closed to others.
    monkeypatch.chdir(place)
    with acting_as(NOBODY):
        Path("file").touch()
        with pytest.raises(PermissionError):
            Path("/etc/posthouse-test").touch()
    assert os.geteuid() == 0
    assert owner_of(place / "file") == NOBODY


@needs_root
def test_root_comes_back_when_the_work_fails() -> None:
    with pytest.raises(ValueError, match="no"), acting_as(NOBODY):
        raise ValueError("no")
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_nobody_in_particular_changes_nothing() -> None:
    before = os.geteuid()
    with acting_as(None):
        assert os.geteuid() == before


@needs_root
def test_what_the_service_writes_is_its_own_and_what_it_reads_is_roots(tmp_path: Path) -> None:
    builder = Builder(tmp_path, account=NOBODY)
    builder.directory("/var/lib/posthouse", 0o700, ours=True)
    builder.file("/etc/posthouse/config.toml", "x = 1\n", 0o640, shared=True)
    assert owner_of(tmp_path / "var" / "lib" / "posthouse") == NOBODY
    assert owner_of(tmp_path / "etc" / "posthouse" / "config.toml") == Account(0, NOBODY.gid)


def test_a_file_is_kept_or_renewed_and_never_half_written(tmp_path: Path) -> None:
    builder = Builder(tmp_path)
    for text, renew in (("a", False), ("a", False), ("b", False), ("b", True)):
        builder.file("/etc/one", text, 0o600, renew=renew)
    assert [step.deed for step in builder.steps] == [Deed.MADE, Deed.KEPT, Deed.DIFFERS, Deed.RENEWED]
    assert (tmp_path / "etc" / "one").read_text() == "b"
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["one"]


def test_the_user_is_made_with_what_the_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", {"systemd-sysusers": "/bin/systemd-sysusers"}.get)
    assert making_command(tmp_path)[0] == "systemd-sysusers"
    monkeypatch.setattr(shutil, "which", {"useradd": "/usr/sbin/useradd"}.get)
    assert "--system" in making_command(tmp_path)
    monkeypatch.setattr(shutil, "which", dict[str, str]().get)
    with pytest.raises(PosthouseError, match="make a system user"):
        making_command(tmp_path)


def test_accounts_are_found_by_name() -> None:
    assert find_account("root") == Account(0, 0)
    assert find_account("nobody-of-that-name") is None


def test_every_unit_gets_the_command() -> None:
    texts = rendered("/srv/posthouse/bin/posthouse")
    assert "ExecStart=/srv/posthouse/bin/posthouse serve" in texts["systemd/system/posthouse.service"]
    assert len([name for name in texts if name.endswith(".socket")]) == 4
    assert {"sysusers.d/posthouse.conf", "tmpfiles.d/posthouse.conf"} <= texts.keys()
    assert (find_units() / "posthouse.service").is_file()


def test_a_home_is_no_place_for_a_service() -> None:
    with pytest.raises(NotForService, match="/opt/posthouse"):
        check_reachable([Path("/root/posthouse/venv/bin/posthouse")])


def test_a_directory_closed_to_others_is_named(tmp_path: Path) -> None:
    place = tmp_path / "closed" / "bin"
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    with pytest.raises(NotForService, match="is closed to other users"):
        check_reachable([place])
    check_reachable([Path("/usr/bin/env")])
