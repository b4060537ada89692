"""The files that hold mail and keys: whole, ours, and closed to others."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from relay.doctor.finding import Finding, Grade

_LISTED = 3


def check_data(directory: Path, store: Path | None) -> list[Finding]:
    """The data directory belongs to one user, who owns everything in it, and nobody else may look."""
    what, expected = "data directory", "mode 0700, everything in it of one user"
    try:
        facts = directory.stat()
        files = list(_files_beside(directory, store))
    except OSError as error:
        found = f"{directory}: {error.strerror}"
        return [Finding(what, Grade.PROBLEM, expected, found, "run posthouse quickstart, or as its user")]
    owner = user_name(facts.st_uid)
    strangers = [path for path in files if path.stat().st_uid != facts.st_uid]
    if strangers:
        names = ", ".join(path.name for path in strangers[:_LISTED])
        found = f"{len(strangers)} files are not {owner}'s: {names}"
        return [Finding(what, Grade.PROBLEM, expected, found, f"chown -R {owner}: {directory}")]
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        return [Finding(what, Grade.WARNING, expected, f"mode {mode:04o}", f"chmod 0700 {directory}")]
    return [Finding(what, Grade.OK, expected, f"{owner}'s, mode {mode:04o}")]


def check_store(trouble: str | None, *, opened: bool) -> Finding:
    """`trouble` is why nothing new is accepted, or why the store could not be opened."""
    what, expected = "store", "open and accepting"
    if trouble is None:
        return Finding(what, Grade.OK, expected, "open and accepting")
    if opened:
        advice = "it accepts again alone when the cause is gone; see docs/operations.md"
    else:
        advice = "see docs/operations.md, When the store is damaged"
    return Finding(what, Grade.PROBLEM, expected, trouble, advice)


def check_key_files(key_dir: Path) -> list[Finding]:
    """Every DKIM key is 0600 in directories that only its owner can change."""
    what, expected = "DKIM key files", "mode 0600 in directories of 0700"
    try:
        keys = sorted(key_dir.glob("*/*.pem"))
        directories = sorted({key_dir, *(key.parent for key in keys)}) if key_dir.exists() else []
        loose = [f"chmod 0700 {path}" for path in directories if _mode(path) & 0o022]
        loose += [f"chmod 0600 {path}" for path in keys if _mode(path) & 0o077]
        strangers = [path for path in keys if path.stat().st_uid != key_dir.stat().st_uid]
    except OSError as error:
        return [Finding(what, Grade.PROBLEM, expected, str(error), f"chown -R posthouse: {key_dir}")]
    if loose:
        found = f"{len(loose)} are open to others; no mail is signed with them"
        return [Finding(what, Grade.PROBLEM, expected, found, "; ".join(loose[:_LISTED]))]
    if strangers:
        found = f"{strangers[0]} belongs to {user_name(strangers[0].stat().st_uid)}"
        advice = f"chown -R {user_name(key_dir.stat().st_uid)}: {key_dir}"
        return [Finding(what, Grade.PROBLEM, expected, found, advice)]
    return [Finding(what, Grade.OK, expected, f"{len(keys)} keys, closed")]


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _files_beside(directory: Path, store: Path | None) -> Iterator[Path]:
    """What the daemon must be able to write; bodies are many, so only their directories are looked at."""
    yield from (path for path in directory.iterdir() if not path.is_symlink())
    if store is not None and store.parent != directory:
        yield from (path for path in store.parent.glob(f"{store.name}*") if path.is_file())


def _mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)
