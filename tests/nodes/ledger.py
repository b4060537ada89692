"""The books of a load of submissions: what was offered, answered 250, and came out at the far side.

An entry is written to the file of acknowledgements only after the 250 was
read. What is due is reckoned from that file alone.
"""

import asyncio
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.far_mx import Received

_MESSAGE_ID = re.compile(rb"^Message-ID: <([^@>]+)@load\.test>", re.MULTILINE | re.IGNORECASE)
_FAILED = re.compile(rb"^Final-Recipient: rfc822; *(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the generator; its bytes as they are handed in."""

    id: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(slots=True)
class Ledger:
    """`happens` is told of each acknowledgement and arrival, for whoever waits for the next so many."""

    file: Path
    offered: dict[str, Letter] = field(default_factory=dict)
    arrivals: dict[tuple[str, str], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    reports: Counter[tuple[str, str]] = field(default_factory=Counter)
    phantoms: list[bytes] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    happened: int = 0
    _waiting: list[tuple[int, asyncio.Event]] = field(default_factory=list)

    def offer(self, letter: Letter) -> None:
        self.offered[letter.id] = letter

    def acknowledge(self, letter: Letter) -> None:
        """Its 250 was read."""
        with self.file.open("a") as file:
            file.write(f"{letter.id} {hashlib.sha256(letter.content).hexdigest()}\n")
        self._happens()

    def arrive(self, message: Received) -> None:
        """Something was answered 250 at the far side."""
        if message.reverse_path == "":
            self._report(message.content)
        else:
            self._message(message)
        self._happens()

    async def after(self, count: int) -> None:
        """Wait for so many more acknowledgements and arrivals."""
        event = asyncio.Event()
        self._waiting.append((self.happened + count, event))
        async with asyncio.timeout(60):
            await event.wait()

    def acknowledged(self) -> dict[str, str]:
        """Id → SHA-256, as they stand in the file."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return dict((line.split(" ")[0], line.split(" ")[1]) for line in lines)

    def missing(self) -> set[tuple[str, str]]:
        """Recipients of acknowledged messages to whom nothing came, and of whom no report tells."""
        due = {(name, to) for name in self.acknowledged() for to in self.offered[name].recipients}
        return due - self.arrivals.keys() - self.reports.keys()

    def duplicates(self) -> dict[tuple[str, str], int]:
        return {who: len(copies) - 1 for who, copies in self.arrivals.items() if len(copies) > 1}

    def unlike(self) -> list[tuple[str, str]]:
        """Recipients whose copies are not the same, byte for byte."""
        return [who for who, copies in self.arrivals.items() if len(set(copies)) > 1]

    def _message(self, message: Received) -> None:
        found = _MESSAGE_ID.search(message.content)
        letter = self.offered.get(found[1].decode()) if found else None
        if letter is None or not set(message.recipients) <= set(letter.recipients):
            self.phantoms.append(message.content[:2000])
            return
        if not message.content.endswith(letter.content):
            self.corrupt.append(letter.id)
        for recipient in message.recipients:
            self.arrivals[letter.id, recipient].append(message.content)

    def _report(self, content: bytes) -> None:
        found = _MESSAGE_ID.findall(content)
        failed = _FAILED.findall(content)
        if not found or found[-1].decode() not in self.offered or not failed:
            self.phantoms.append(content[:2000])
            return
        for recipient in failed:
            self.reports[found[-1].decode(), recipient.decode()] += 1

    def _happens(self) -> None:
        self.happened += 1
        for at, event in self._waiting:
            if self.happened >= at:
                event.set()
        self._waiting = [(at, event) for at, event in self._waiting if not event.is_set()]
