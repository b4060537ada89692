"""Say what a report of pip-audit found. Exit 1 for vulnerabilities, 0 also where nothing was looked up."""

import json
import sys
from pathlib import Path
from typing import Any


def judge(report: str) -> tuple[int, list[str]]:
    """The exit code, and what to say."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        return 0, ["skipped audit: the database of vulnerabilities cannot be reached"]
    looked_up = [package for package in packages if "skip_reason" not in package]
    if not looked_up:
        return 0, ["skipped audit: the package index here knows of no vulnerabilities"]
    found = [
        f"FAILED  audit: {package['name']} {package['version']}: {each['id']}, "
        f"mended in {', '.join(each['fix_versions']) or 'no version yet'}"
        for package in looked_up
        for each in package["vulns"]
    ]
    return (1, found) if found else (0, [f"ok      audit of {len(looked_up)} of {len(packages)} packages"])


if __name__ == "__main__":
    code, lines = judge(Path(sys.argv[1]).read_text())
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    sys.exit(code)
