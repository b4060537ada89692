"""Coverage-guided fuzzing of our parsers by atheris, one process for each target.

atheris is no requirement of the repository: it finds inputs, and what it
found is kept in `tests/corpus/fuzz` and run in `./check` without it. It is
installed by hand, `.venv/bin/python -m pip install atheris`, where it has a wheel.
Findings are written to the present directory as `crash-…`.
"""

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.corpus import seeds_of
from tests.hostile.targets import TARGETS

_LONGEST_INPUT = 4096


def fuzz(names: Sequence[str], seconds: int) -> int:
    """Each target for so long; the number of those in which something was found."""
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed; see bench/hostile/parsers.py", file=sys.stderr)
        return 1
    failed = 0
    print("| target | seconds | found |\n|---|---|---|")
    for name in names or TARGETS:
        with tempfile.TemporaryDirectory() as directory:
            for number, octets in enumerate(seeds_of(name)):
                Path(directory, str(number)).write_bytes(octets)
            limits = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", "-timeout=10"]
            command = [sys.executable, "-m", "bench.hostile.target", name, *limits, directory]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        failed += bool(done.returncode)
        said = "nothing" if not done.returncode else done.stderr[-2000:]
        print(f"| {name} | {seconds} | {said} |", flush=True)
    return failed
