"""Put files and directories in place, below a prefix, once: what exists is kept, and said to be."""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from relay.quickstart.account import Account


class Deed(StrEnum):
    MADE = "made"
    KEPT = "kept"  # it was there, and is as it would be made
    DIFFERS = "kept, differs"  # it was there, and says something else
    RENEWED = "renewed"
    PLANNED = "would make"
    LEFT = "left out"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was to stand, and what was done about it."""

    what: str
    deed: Deed
    note: str = ""


@dataclass(slots=True)
class Builder:
    """`prefix` stands before every path, as DESTDIR does. With `dry_run` nothing is touched.

    `account` owns what the service writes; None leaves owners alone.
    """

    prefix: Path = Path("/")
    dry_run: bool = False
    account: Account | None = None
    steps: list[Step] = field(default_factory=list)

    def at(self, path: str) -> Path:
        """Where the absolute `path` is below the prefix."""
        return self.prefix / path.lstrip("/")

    def note(self, what: str, deed: Deed, note: str = "") -> None:
        self.steps.append(Step(what, deed, note))

    def directory(self, path: str, mode: int, *, ours: bool = False) -> None:
        """Afterwards the directory is there. `ours`: the service's own; else root's, its group may look."""
        place = self.at(path)
        if place.is_dir():
            return self.note(path, Deed.KEPT)
        if self.dry_run:
            return self.note(path, Deed.PLANNED)
        place.mkdir(parents=True, mode=0o755)
        place.chmod(mode)
        self._own(place, ours=ours)
        return self.note(path, Deed.MADE)

    def file(self, path: str, text: str, mode: int, *, renew: bool = False, shared: bool = False) -> None:
        """Afterwards the file is there, whole. One that says something else is kept unless `renew`.

        `shared`: root's, and readable by the service's group.
        """
        place = self.at(path)
        if place.exists():
            same = place.read_text("utf-8", "replace") == text
            if same or not renew:
                return self.note(path, Deed.KEPT if same else Deed.DIFFERS)
        deed = Deed.RENEWED if place.exists() else Deed.MADE
        if self.dry_run:
            return self.note(path, Deed.PLANNED)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.new")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if shared:
            self._own(draft, ours=False)
        draft.replace(place)
        return self.note(path, deed)

    def _own(self, place: Path, *, ours: bool) -> None:
        if self.account is not None:
            os.chown(place, self.account.uid if ours else 0, self.account.gid)
