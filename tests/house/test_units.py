"""The systemd units are well formed, expose little, and say what the service relies on."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
# The exposure, times ten, above which the check fails.
MOST_EXPOSURE = 15

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


def analyze(*arguments: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
def test_the_service_exposes_little() -> None:
    analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", UNITS / "posthouse.service")


@needs_systemd
def test_units_are_well_formed(tmp_path: Path) -> None:
    """With a program that exists here in the place of the installed one."""
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket"), *UNITS.glob("*.target")):
        text = unit.read_text().replace("/opt/posthouse/venv/bin/posthouse", sys.executable)
        (tmp_path / unit.name).write_text(text)
    assert analyze("verify", "--man=no", *sorted(tmp_path.iterdir())) == ""


@pytest.mark.parametrize(
    ("name", "port"),
    [("smtp", "25"), ("submission", "587"), ("submissions", "465"), ("http", "127.0.0.1:8025")],
)
def test_sockets_carry_their_names(name: str, port: str) -> None:
    unit = read(UNITS / f"posthouse-{name}.socket")
    assert unit["Socket"]["ListenStream"] == port
    assert unit["Socket"]["FileDescriptorName"] == name
    assert unit["Socket"]["Service"] == "posthouse.service"
    assert f"posthouse-{name}.socket" in read(UNITS / "posthouse.service")["Service"]["Sockets"].split()


def test_the_service_restarts_unless_its_configuration_is_wrong() -> None:
    service = read(UNITS / "posthouse.service")["Service"]
    assert service["Type"] == "notify"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "78")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["ExecStart"].endswith("posthouse serve --config /etc/posthouse/config.toml")
    assert (service["User"], service["StateDirectory"]) == ("posthouse", "posthouse")


@needs_systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
@pytest.mark.parametrize("kind", ["sysusers", "tmpfiles"])
def test_accounts_and_directories_are_well_formed(kind: str, tmp_path: Path) -> None:
    """Applied to an empty root directory of its own."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nposthouse:x:990:990::/:/bin/sh\n")
    (tmp_path / "etc" / "group").write_text("root:x:0:\nposthouse:x:990:\n")
    config = UNITS / f"{kind}.d" / "posthouse.conf"
    options = ["--create"] if kind == "tmpfiles" else []
    command = [f"systemd-{kind}", *options, f"--root={tmp_path}", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_libraries_work_where_no_memory_is_writable_and_executable() -> None:
    """MemoryDenyWriteExecute, asked of the kernel itself (PR_SET_MDWE)."""
    script = """
import ctypes, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
import argon2, nacl.signing, uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
rsa.generate_private_key(65537, 2048).sign(b"x", padding.PKCS1v15(), hashes.SHA256())
argon2.PasswordHasher(time_cost=1, memory_cost=64).hash("x")
nacl.signing.SigningKey.generate().sign(b"x")
async def main():
    import asyncio
    await (await asyncio.create_subprocess_exec("/bin/true")).wait()
    await asyncio.to_thread(int)
uvloop.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel does not know PR_SET_MDWE")
    assert done.returncode == 0, done.stderr


def read(unit: Path) -> configparser.ConfigParser:
    """A unit file; where a setting stands several times, the last one."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return parser
