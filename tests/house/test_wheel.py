"""The wheel holds the three packages with their SQL and units, the command, the licence, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built without isolation, so nothing is fetched."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [file] = target.glob("posthouse-*.whl")
    return zipfile.ZipFile(file)


def test_only_our_packages_are_inside(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"relay", "inbound", "api"}


def test_what_the_code_reads_is_inside(wheel: zipfile.ZipFile) -> None:
    inside = set(wheel.namelist())
    here = {
        str(file.relative_to(ROOT))
        for package in ("relay", "inbound", "api")
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert here <= inside


def test_the_systemd_units_are_inside(wheel: zipfile.ZipFile) -> None:
    units = ROOT / "systemd"
    for file in (file for file in units.rglob("*") if file.is_file()):
        packed = f"relay/quickstart/units/{file.relative_to(units)}"
        assert wheel.read(packed) == file.read_bytes()


def test_the_command_and_the_licence_are_declared(wheel: zipfile.ZipFile) -> None:
    [entry_points] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "posthouse = relay.cli.main:main" in wheel.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
