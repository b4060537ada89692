"""The audit of packages fails for what it found, and never for a database that it could not reach."""

import json
import runpy
from pathlib import Path

import pytest

judge = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "read_audit.py"))["judge"]

SOUND = {"name": "anyio", "version": "4.16.0", "vulns": []}
ILL = {"name": "h11", "version": "0.1", "vulns": [{"id": "CVE-1", "fix_versions": ["0.2"]}]}
UNKNOWN = {"name": "idna", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("report", "code", "word"),
    [
        ("", 0, "skipped audit: "),
        ("no connection", 0, "skipped audit: "),
        (json.dumps({"dependencies": [UNKNOWN]}), 0, "skipped audit: "),
        (json.dumps({"dependencies": [SOUND, UNKNOWN]}), 0, "ok      audit of 1 of 2 packages"),
        (json.dumps({"dependencies": [SOUND, ILL]}), 1, "FAILED  audit: h11 0.1: CVE-1, mended in 0.2"),
    ],
)
def test_what_is_said_of_a_report(report: str, code: int, word: str) -> None:
    found, (line,) = judge(report)
    assert found == code
    assert line.startswith(word)
