"""What every file of the repository keeps: a first sentence, no download address, docs that know each key."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from relay.config.load import KEYS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for package in ("relay", "inbound", "api", "tests", "bench")
    for file in (ROOT / package).rglob("*.py")
)
MADE = {".venv", "data", "__pycache__"}
# Spelled in parts, so that this file does not name one either.
DOWNLOADS = re.compile(
    "|".join(
        (
            "python" + "hosted",
            r"pypi\.org/" + "simple",
            r"registry\.npm" + "js",
            r"deb\.debian" + r"\.org",
            "index" + "-url",
        ),
    ),
    re.IGNORECASE,
)


def tracked_files() -> list[Path]:
    """The files under version control; in an unpacked archive, all that are not hidden or made."""
    if (ROOT / ".git").exists():
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        return [ROOT / name for name in os.fsdecode(names).split("\0") if name and (ROOT / name).is_file()]
    return [file for file in ROOT.rglob("*") if file.is_file() and not MADE & set(file.parts)]


def test_no_file_names_a_download_address() -> None:
    named = {
        str(file.relative_to(ROOT)): found[0]
        for file in tracked_files()
        if (found := DOWNLOADS.search(file.read_text("utf-8", "replace")))
    }
    # pyproject.toml and its like may not either: where packages come from is the machine's affair.
    assert not named


def test_every_requirement_is_locked_with_hashes() -> None:
    for name in ("requirements.txt", "requirements-check.txt"):
        text = (ROOT / name).read_text()
        packages = re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE)
        entries = re.split(r"\n(?=\S)", text.strip())
        assert len(entries) == len(packages)
        assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_files_agree_with_each_other() -> None:
    run, check = (
        dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-check.txt")
    )
    assert run
    assert {name: check.get(name) for name in run} == run


def test_every_module_opens_with_a_sentence() -> None:
    assert not [str(file.relative_to(ROOT)) for file in SOURCES if _is_silent(file)]


def _is_silent(file: Path) -> bool:
    tree = ast.parse(file.read_text())
    return not ast.get_docstring(tree) and bool(tree.body or file.name != "__init__.py")


def test_the_documentation_names_every_key() -> None:
    printed = (ROOT / "docs" / "configuration.md").read_text()
    assert not [name for name in KEYS if f"`{name}`" not in printed]


@pytest.mark.parametrize("name", ["start", "check", ".ci/run", ".ci/audit"])
def test_scripts_are_plain_and_executable(name: str) -> None:
    script = ROOT / name
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
