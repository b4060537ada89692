"""Commands as processes of their own: beside a daemon that owns the store, and beside each other."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.cli.line import Line

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60


def start(config: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "relay", *words, "--config", str(config)]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_env(),
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def _env() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE")}
    return {**kept, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def owner(house: Line) -> Iterator[subprocess.Popen[str]]:
    """Another process, to which the store of the house belongs now."""
    command = [sys.executable, "-m", "tests.relay.cli.daemon", str(house.config)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_env(), cwd=ROOT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        if process.poll() is None:
            process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0


@pytest.fixture
def daemon(house: Line, owner: subprocess.Popen[str]) -> Line:
    """The house beside the owner of its store."""
    assert owner.poll() is None
    return house


def test_commands_reach_the_daemon_that_owns_the_store(daemon: Line) -> None:
    code, out, err = finish(start(daemon.config, "mailbox", "add", "new@example.test", "--json"))
    assert (code, err) == (0, "")
    assert json.loads(out)["smtp_password"].startswith("phs_")

    sent = daemon.json("send", "--from", "new@example.test", "--to", "bob@far.test", "--text", "hello")
    assert sent["daemon"] is True
    assert daemon.json("queue", "hold", sent["id"])["changed"] == 1
    assert daemon.json("stats")["daemon"] is True
    assert daemon.json("verify")["whole"] is True
    assert "daemon  running" in daemon.does("stats")


def test_errors_of_the_daemon_are_told_as_our_own(daemon: Line) -> None:
    again = finish(start(daemon.config, "domain", "add", "example.test"))

    assert again == (1, "", "error: domain example.test is here already\n")
    daemon.fails("mailbox", "add", "nobody", code=2)


def test_a_backup_is_written_beside_the_callers_directory(daemon: Line, tmp_path: Path) -> None:
    made = daemon.json("backup", "here.tar")

    assert made["file"] == str(tmp_path / "here.tar")
    assert (tmp_path / "here.tar").stat().st_size == made["size"]


def test_nothing_is_restored_under_a_running_daemon(daemon: Line) -> None:
    daemon.does("backup", "b.tar")

    assert "is in use by process" in daemon.fails("restore", "b.tar", "--replace")
    assert daemon.json("verify")["whole"] is True


def test_tail_follows_until_it_is_interrupted(daemon: Line) -> None:
    daemon.does("suppression", "add", "first@far.test")
    process = start(daemon.config, "tail", "--json", "-n", "1", "--kind", "suppression")
    assert process.stdout is not None
    seen = [json.loads(process.stdout.readline())]
    daemon.does("suppression", "add", "second@far.test")
    seen.append(json.loads(process.stdout.readline()))

    process.send_signal(signal.SIGINT)

    assert finish(process) == (0, "", "")
    assert [event["data"]["address"] for event in seen] == ["first@far.test", "second@far.test"]


def test_tail_ends_with_the_daemon(daemon: Line, owner: subprocess.Popen[str]) -> None:
    process = start(daemon.config, "tail", "--json", "-n", "1")
    assert process.stdout is not None
    assert process.stdout.readline()

    owner.communicate(timeout=PATIENCE_SECONDS)

    assert finish(process) == (0, "", "the daemon has stopped\n")


def test_commands_at_once_wait_for_each_other(house: Line) -> None:
    started = [start(house.config, "mailbox", "add", f"m{number}@example.test") for number in range(4)]

    assert [finish(process)[0] for process in started] == [0] * 4
    assert len(house.json("mailbox", "list")) == 5


def test_of_several_that_add_the_same_one_wins(house: Line) -> None:
    started = [start(house.config, "domain", "add", "two.test") for _ in range(3)]

    assert sorted(finish(process)[0] for process in started) == [0, 1, 1]
    keys = list((house.config.parent / "dkim_keys" / "two.test").iterdir())
    assert len(keys) == 2
    assert house.json("verify")["whole"] is True


def test_a_reader_that_has_seen_enough_is_no_fault(house: Line) -> None:
    process = start(house.config, "config", "show")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None

    code, _, err = finish(process)

    assert (code, "fault" in err, "Traceback" in err) == (1, False, False)
