"""Where a run was made and how busy the machine was: figures mean nothing without it."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from bench.peers.contender import find
from bench.peers.expense import method
from relay.version import __version__


def describe(base: Path) -> list[str]:
    """A line each for processor, system, disk, load, versions, and how CPU is counted."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    gib = int(memory[1]) / 2**20 if memory else 0
    cores = len(os.sched_getaffinity(0))
    return [
        f"{cores} cores of {_processor()}, {gib:.0f} GiB",
        f"Linux {platform.release()}, files on {file_system(base)}",
        f"load average {' '.join(Path('/proc/loadavg').read_text().split()[:3])} before the run",
        f"Posthouse {__version__} on Python {platform.python_version()} ({Path(sys.executable).resolve()})",
        *_versions(),
        f"CPU counted by {method()}",
    ]


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def file_system(base: Path) -> str:
    """The kind that `base` lies on, and its device."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    above = [entry for entry in mounts if base.resolve().is_relative_to(entry[1])]
    nearest = max(above, key=lambda entry: len(entry[1]))
    return f"{nearest[2]} ({nearest[0]})"


def _versions() -> list[str]:
    found = []
    if (postconf := find("postconf")) is not None:
        # -d: the built-in value; there may be no /etc/postfix.
        found.append(f"Postfix {_first_line(postconf, '-dh', 'mail_version')}")
    if (opendkim := find("opendkim")) is not None:
        found.append(_first_line(opendkim, "-V").removeprefix("opendkim: "))
    return found


def _first_line(*command: str) -> str:
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter(asked.stdout.splitlines()), "of an unknown version")
