"""A command line with a configuration and a data directory of its own, and no daemon."""

from pathlib import Path

import pytest

from tests.fakes.fresh_store import put_store
from tests.relay.cli.line import Line

CONFIG = """\
[server]
hostname = "mail.example.test"
[store]
min_free = "0B"
"""


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """`posthouse --config …`, run in this process."""
    monkeypatch.delenv("POSTHOUSE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return Line(file)


@pytest.fixture
def house(line: Line) -> Line:
    """The same with the domain example.test and the mailbox app@example.test."""
    put_store(line.data_dir / "posthouse.db")
    line.does("domain", "add", "example.test", "--assume-verified")
    line.does("mailbox", "add", "app@example.test")
    return line
