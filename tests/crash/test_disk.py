"""The disk of these tests forgets what no real one may be trusted to keep."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.cuts import left_by
from tests.crash.disk import Disk
from tests.crash.recorder import Recorder
from tests.crash.syscalls import NEEDED, Traced, may_trace

NAMES = "os.fsync(os.open({!r}, os.O_RDONLY | os.O_DIRECTORY))"
traced = pytest.mark.skipif(not may_trace(), reason=NEEDED)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / "old").write_bytes(b"as it was")
    return directory


@traced
def test_what_is_not_synced_is_gone(data: Path, tmp_path: Path) -> None:
    left = left_by(
        f"""
new = open({str(data / "new")!r}, "wb", buffering=0)
new.write(b"kept"); os.fsync(new.fileno()); new.write(b" and lost")
{NAMES.format(str(data))}
old = open({str(data / "old")!r}, "r+b", buffering=0)
old.write(b"AS")
""",
        data,
        tmp_path,
    )
    assert left == {"old": b"as it was", "new": b"kept"}


@traced
def test_a_name_lasts_when_its_directory_was_synced(data: Path, tmp_path: Path) -> None:
    left = left_by(
        f"""
for name in ("a", "b"):
    file = open({str(data)!r} + "/" + name, "wb", buffering=0)
    file.write(name.encode()); os.fsync(file.fileno())
{NAMES.format(str(data))}
os.rename({str(data / "a")!r}, {str(data / "c")!r})
os.unlink({str(data / "old")!r})
""",
        data,
        tmp_path,
    )
    assert left == {"old": b"as it was", "a": b"a", "b": b"b"}


@traced
def test_an_answer_before_its_sync_is_found(data: Path, tmp_path: Path) -> None:
    """An id that no synced commit holds."""
    recorder = Recorder(Disk(data))
    with Traced(tmp_path, recorder.see) as tracing:
        program = (
            "import socket; a, b = socket.socketpair();"
            "a.send(b'250 2.0.0 queued as msg_0123456789abcdefghjkmnpq\\r\\n')"
        )
        subprocess.run([*tracing.command, sys.executable, "-c", program], check=True)
    assert [text[:28] for text in recorder.premature] == ["msg_0123456789abcdefghjkmnpq"]


def test_some_of_what_was_not_synced_may_survive(data: Path, tmp_path: Path) -> None:
    disk = Disk(data)
    file = disk.file(data / "old")
    assert file is not None
    for number in range(40):
        file.write(number * 1024, b"x" * 1024)
    disk.cut_power(tmp_path / "left", random.Random(2), 0.5)
    left = (tmp_path / "left" / "old").read_bytes()
    assert 0 < left.count(b"x") < 40 * 1024
    assert left.count(b"x") % 512 == 0
