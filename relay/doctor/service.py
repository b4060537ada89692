"""The systemd unit, where there is one: installed, enabled, running, not restarting for ever."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from relay.doctor.finding import Finding, Grade

UNIT = "posthouse.service"
BOOTED = Path("/run/systemd/system")
_ASKED = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,StatusText,Result"
_MANY_RESTARTS = 3


async def check_service(booted: Path = BOOTED, command: str = "systemctl") -> list[Finding]:
    """Nothing to say where systemd does not run."""
    if not booted.is_dir():
        return [Finding("service", Grade.UNKNOWN, f"{UNIT} running", "systemd does not run here")]
    try:
        process = await asyncio.create_subprocess_exec(
            command, "show", UNIT, f"--property={_ASKED}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        output, _ = await process.communicate()
    except OSError as error:
        return [Finding("service", Grade.UNKNOWN, f"{UNIT} running", f"{command}: {error.strerror}")]
    return [judge_service(read_properties(output.decode("utf-8", "replace")))]


def read_properties(text: str) -> dict[str, str]:
    """`systemctl show` prints `Name=value`, one a line."""
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


def judge_service(unit: Mapping[str, str]) -> Finding:
    what, expected = "service", f"{UNIT} running and enabled"
    if unit.get("LoadState") != "loaded":
        advice = "posthouse quickstart installs it"
        return Finding(
            what, Grade.WARNING, expected, f"the unit is {unit.get('LoadState', 'unknown')}", advice
        )
    state = f"{unit.get('ActiveState')} ({unit.get('SubState')}), {unit.get('UnitFileState') or 'static'}"
    status = f"{state}: {unit['StatusText']}" if unit.get("StatusText") else state
    restarts = int(unit.get("NRestarts") or 0)
    if unit.get("ActiveState") != "active":
        advice = "systemctl enable --now posthouse.target; journalctl -u posthouse tells what happened"
        return Finding(what, Grade.PROBLEM, expected, f"{status}, {unit.get('Result')}", advice)
    if restarts >= _MANY_RESTARTS:
        found = f"{status}; restarted {restarts} times"
        return Finding(what, Grade.WARNING, expected, found, "journalctl -u posthouse -p warning")
    if unit.get("UnitFileState") == "disabled":
        advice = "it does not start at boot: systemctl enable posthouse.target"
        return Finding(what, Grade.WARNING, expected, status, advice)
    return Finding(what, Grade.OK, expected, status)
