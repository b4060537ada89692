"""What the machine gives us: the time, room on the disk, enough files to open."""

import ctypes
import os
import resource
from datetime import datetime, timedelta
from pathlib import Path

from relay.config import Config
from relay.config.values import write_size
from relay.doctor.finding import Finding, Grade
from relay.store.health import MIN_FREE_INODES

_TIME_ERROR = 5
_TIMEX_OCTETS = 512  # struct timex has 208; more does no harm
AMPLE = 4
FILES_BESIDE_SOCKETS = 256


def check_clock(now: datetime, *, synchronised: bool | None, last_write: datetime | None) -> Finding:
    """Signatures and retries depend on the time. Nobody outside is asked: only contradictions are seen."""
    what, expected = "clock", "kept right by NTP"
    shown = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if last_write is not None and now < last_write - timedelta(minutes=1):
        found = f"{shown}, but the store was written at {last_write:%Y-%m-%d %H:%M} UTC"
        return Finding(what, Grade.PROBLEM, expected, found, "set the clock; run an NTP client")
    if synchronised is None:
        return Finding(what, Grade.UNKNOWN, expected, f"{shown}; the kernel does not tell")
    if not synchronised:
        advice = "run an NTP client (apt-get install systemd-timesyncd)"
        return Finding(what, Grade.WARNING, expected, f"{shown}, not synchronised", advice)
    return Finding(what, Grade.OK, expected, f"{shown}, synchronised")


def kernel_clock_is_synchronised() -> bool | None:
    """Whether an NTP client keeps the kernel's clock (adjtimex(2)); None where we may not ask."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def check_disk(directory: Path, min_free: int) -> list[Finding]:
    """Room for mail: four times the reserve is ample, less than the reserve closes the doors."""
    try:
        disk = os.statvfs(directory)
    except OSError as error:
        return [Finding("disk", Grade.PROBLEM, f"room in {directory}", str(error), f"create {directory}")]
    return [judge_space(disk.f_bavail * disk.f_frsize, min_free), judge_inodes(disk.f_files, disk.f_favail)]


def judge_space(free: int, min_free: int) -> Finding:
    what, expected = "disk", f"more than {_size(AMPLE * min_free)} free"
    found = f"{_size(free)} free"
    if free < min_free:
        advice = f"make room: below {_size(min_free)} (store.min_free) nothing new is accepted"
        return Finding(what, Grade.PROBLEM, expected, found, advice)
    if free < AMPLE * min_free:
        advice = f"make room soon, or lower retention.*; at {_size(min_free)} the doors close"
        return Finding(what, Grade.WARNING, expected, found, advice)
    return Finding(what, Grade.OK, expected, found)


def judge_inodes(total: int, free: int) -> Finding:
    what, expected = "inodes", f"more than {10 * MIN_FREE_INODES} free"
    if not total:
        return Finding(what, Grade.OK, expected, "this file system does not count them")
    grade = Grade.PROBLEM if free < MIN_FREE_INODES else Grade.WARNING
    if free >= 10 * MIN_FREE_INODES:
        return Finding(what, Grade.OK, expected, f"{free} free")
    return Finding(what, grade, expected, f"{free} free", "remove small files from this file system")


def files_wanted(config: Config) -> int:
    """One for every session at every listener and for every outgoing connection, and some for bodies."""
    listeners = (*config.submission.listen, *config.submission.listen_tls, *config.inbound.listen)
    sockets = len(listeners) * config.limits.connections + config.delivery.max_connections
    return sockets + config.limits.connections + FILES_BESIDE_SOCKETS


def check_file_limit(wanted: int, limit: int | None = None) -> Finding:
    """`limit` is how many files this process may open; by default the kernel is asked."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    found = "no limit" if soft == resource.RLIM_INFINITY else str(soft)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return Finding("open files", Grade.OK, f"at least {wanted}", found)
    advice = "raise LimitNOFILE in the unit (ulimit -n), or lower limits.connections"
    return Finding("open files", Grade.WARNING, f"at least {wanted}", found, advice)


def _size(octets: int) -> str:
    """Rounded to whole mebibytes, or gibibytes when there are many."""
    mib = octets >> 20
    return f"{mib / 1024:.1f}GiB" if mib >= 10_240 else write_size(mib << 20)
