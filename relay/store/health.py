"""Whether new mail may be taken on, and why not.

A fault of the engine closes the intake at once; too little free space closes
it before the engine meets the wall. What is under way goes on being settled:
when the disk is full, a ballast file is given up so that outcomes find room.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay.errors import StoreUnavailable
from relay.replies import TEMPORARY_FAULT, SmtpReply
from relay.store.faults import STORAGE_FULL, Fault, StoreFault

logger = logging.getLogger(__name__)

GIB = 1 << 30
# The most that is kept aside to be given up; see Ballast.
BALLAST = 16 << 20
# With no more than this many free inodes, body files could not be made for long.
MIN_FREE_INODES = 256


@dataclass(frozen=True, slots=True)
class Reserve:
    """Room that new mail may not take, in octets.

    `min_free_bytes`: below it intake is refused; None means a tenth of the
    disk, at most 1 GiB. Intake opens again an eighth above it. `ballast_bytes`
    is the size of the file that is given up when the disk is full.
    """

    min_free_bytes: int | None = None
    ballast_bytes: int = BALLAST

    def floor(self, disk: os.statvfs_result) -> int:
        if self.min_free_bytes is not None:
            return self.min_free_bytes
        return min(disk.f_blocks * disk.f_frsize // 10, GIB)


class Ballast:
    """A file that only takes up room, until the room is needed."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    @property
    def is_held(self) -> bool:
        return self._size == 0 or (self._path.exists() and self._path.stat().st_size == self._size)

    def give_up(self) -> None:
        self._path.unlink(missing_ok=True)

    def take(self) -> bool:
        """Occupy the room; False when there is not enough of it."""
        if self.is_held:
            return True
        try:
            with open(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True


class Health:
    """The latch: closed by `notice` and by `look`, opened by `look` alone.

    `prove` writes something tiny and durable, or raises StoreFault.
    """

    def __init__(self, directory: Path, reserve: Reserve, ballast: Ballast) -> None:
        self._directory = directory
        self._reserve = reserve
        self._ballast = ballast
        self._lock = threading.Lock()
        self._fault: StoreFault | None = None
        self._shortage: str | None = None

    @property
    def trouble(self) -> str | None:
        fault = self._fault
        return str(fault) if fault is not None else self._shortage

    @property
    def is_damaged(self) -> bool:
        return self._fault is not None and self._fault.fault is Fault.DAMAGED

    def check_intake(self) -> None:
        """Raise StoreUnavailable, with the reply for the client, while intake is closed."""
        trouble = self.trouble
        if trouble is not None:
            raise StoreUnavailable(trouble, self._reply())

    def notice(self, fault: StoreFault) -> None:
        """The engine met trouble: close the intake, and make room when that is what lacks."""
        if fault.fault is Fault.FULL:
            self._ballast.give_up()
        with self._lock:
            if self._fault is None:
                logger.error("not accepting mail: %s", fault)
            # Damage outlasts what comes after it.
            if not self.is_damaged:
                self._fault = fault

    def look(self, prove: Callable[[], None]) -> None:
        """Look at the free space and, after a fault, try to write; open or close the intake accordingly."""
        was_open = self.trouble is None
        shortage = self._look_at_space()
        if self._fault is not None and shortage is None and self._is_proved(prove):
            shortage = self._take_ballast()
            with self._lock:
                self._fault = None
                self._shortage = shortage
        elif self._fault is None:
            self._shortage = shortage or self._take_ballast()
        if was_open and self.trouble is not None:
            logger.error("not accepting mail: %s", self.trouble)
        elif not was_open and self.trouble is None:
            logger.warning("accepting mail again")

    def _take_ballast(self) -> str | None:
        return None if self._ballast.take() else "the disk is full: no room to put the store's reserve back"

    def _is_proved(self, prove: Callable[[], None]) -> bool:
        try:
            prove()
        except StoreFault as fault:
            self.notice(fault)
            return False
        return True

    def _look_at_space(self) -> str | None:
        try:
            disk = os.statvfs(self._directory)
        except OSError as error:
            return f"the data directory cannot be looked at: {error}"
        floor = self._reserve.floor(disk)
        # The way back is a little longer, or the intake would flutter at the edge.
        wanted = floor + floor // 8 if self.trouble is not None else floor
        free = disk.f_bavail * disk.f_frsize
        if free < wanted:
            return (
                f"the disk is nearly full: {free >> 20} MiB free, mail may not take the last {wanted >> 20}"
            )
        if disk.f_files and disk.f_favail < MIN_FREE_INODES:
            return f"the disk is nearly full: {disk.f_favail} inodes free"
        return None

    def _reply(self) -> SmtpReply:
        fault = self._fault
        if fault is not None:
            return fault.reply
        return STORAGE_FULL if self._shortage is not None else TEMPORARY_FAULT
