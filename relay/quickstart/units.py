"""The systemd units as they are installed: found beside the code, with this installation's command in them.

A wheel carries them as `relay/quickstart/units`; a checkout has them under
`systemd/`.
"""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import relay
from relay.errors import PosthouseError

WRITTEN_COMMAND = "/opt/posthouse/venv/bin/posthouse"
_HIDDEN = ("/home/", "/root/", "/run/user/")  # ProtectHome=yes
REMEDY = (
    "the service cannot see it there: put Posthouse into /opt/posthouse"
    " (docs/operations.md, Install) and run quickstart from there"
)


class NotForService(PosthouseError):
    """This installation stands where the service's user cannot reach it."""


def find_units() -> Path:
    """The directory that holds the units; raises PosthouseError when this installation lacks them."""
    package = Path(relay.__file__).parent
    for candidate in (package / "quickstart" / "units", package.parent / "systemd"):
        if (candidate / "posthouse.service").is_file():
            return candidate
    raise PosthouseError("this installation has no systemd units; install the wheel or a checkout")


def rendered(command: str) -> Mapping[str, str]:
    """Path below /etc → text, for every unit and for the account and directories."""
    units = find_units()
    found = {
        f"systemd/system/{path.name}": path.read_text("utf-8").replace(WRITTEN_COMMAND, command)
        for path in sorted(units.glob("posthouse*"))
        if path.is_file()
    }
    for kind in ("sysusers.d", "tmpfiles.d"):
        found[f"{kind}/posthouse.conf"] = (units / kind / "posthouse.conf").read_text("utf-8")
    return found


def this_command() -> str:
    """How the unit starts this installation, before `serve`."""
    script = Path(sys.prefix) / "bin" / "posthouse"
    return str(script) if script.exists() else f"{sys.executable} -m relay"


def check_reachable(paths: list[Path] | None = None) -> None:
    """Raise NotForService unless every other user may reach the command, Python and the code."""
    code = Path(relay.__file__).parent
    for path in paths or [Path(this_command().split()[0]), Path(os.path.realpath(sys.executable)), code]:
        if f"{path}/".startswith(_HIDDEN):
            raise NotForService(f"{path}: {REMEDY}")
        closed = next((part for part in (path, *path.parents) if not _open_to_all(part)), None)
        if closed is not None:
            raise NotForService(f"{path}: {closed} is closed to other users: chmod o+rx {closed}")


def _open_to_all(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o001)
