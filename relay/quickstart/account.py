"""The user that the service runs as: made once, and borrowed for work that must be its own."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from relay.errors import PosthouseError

NAME = "posthouse"
HOME = "/var/lib/posthouse"
_NO_SHELL = "/usr/sbin/nologin"


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def find_account(name: str = NAME) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def make_account(sysusers: Path, name: str = NAME) -> Account:
    """The system user, made by systemd-sysusers or useradd where it is missing; raises PosthouseError."""
    if (found := find_account(name)) is not None:
        return found
    command = making_command(sysusers, name)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = find_account(name)
    if made is None:
        raise PosthouseError(f"{command[0]} did not make the user {name}: {done.stderr.strip()}")
    return made


def making_command(sysusers: Path, name: str = NAME) -> list[str]:
    """How this machine makes a system user without a shell."""
    if shutil.which("systemd-sysusers"):
        return ["systemd-sysusers", str(sysusers)]
    if shutil.which("useradd"):
        options = ["--system", "--user-group", "--home-dir", HOME, "--no-create-home", "--shell", _NO_SHELL]
        return ["useradd", *options, name]
    raise PosthouseError(f"neither systemd-sysusers nor useradd is here; make a system user {name}")


@contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """For the block, what we make belongs to `account`; nothing changes for None or unless we are root.

    It holds for the whole process, threads included. Not a prison: root comes back afterwards.
    """
    if account is None or os.geteuid() != 0 or account.uid == 0:
        yield
        return
    before = os.getegid()
    os.setegid(account.gid)
    try:
        os.seteuid(account.uid)
        try:
            yield
        finally:
            os.seteuid(0)
    finally:
        os.setegid(before)


def owner_of(directory: Path) -> Account | None:
    """Whose the directory is; None while it does not exist."""
    try:
        facts = directory.stat()
    except OSError:
        return None
    return Account(facts.st_uid, facts.st_gid)
