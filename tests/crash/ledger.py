"""The books of a load: what was offered, what was acknowledged, and what came out.

An entry is written to the file of acknowledgements only after the 250 or 201
was read. What is due is reckoned from that file alone.
"""

import asyncio
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Literal

from tests.fakes.far_mx import Received

Door = Literal["smtp", "api", "mx"]
Whose = tuple[str, str]  # a letter's id and one of its recipients

_ID = re.compile(rb"^Subject: (\w+)\r?$", re.MULTILINE | re.IGNORECASE)
_FAILED = re.compile(rb"^Final-Recipient: rfc822; *(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the generator; its bytes as they are handed in, or its text if we compose it."""

    id: str
    recipients: tuple[str, ...]
    content: bytes
    door: Door = "smtp"

    def is_in(self, octets: bytes) -> bool:
        """Whether these octets are the letter, whole, below what was put before it."""
        if self.door != "api":
            return octets.endswith(self.content)
        text = message_from_bytes(octets, policy=policy.default).get_content()
        return "".join(text.split()).encode() == b"".join(self.content.split())


@dataclass(slots=True)
class Ledger:
    """`happens` is told of each acknowledgement and arrival, for whoever waits for the next so many."""

    file: Path
    offered: dict[str, Letter] = field(default_factory=dict)
    handed_in: Counter[str] = field(default_factory=Counter)
    arrivals: dict[Whose, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    reports: Counter[Whose] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    phantoms: list[bytes] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    happened: int = 0
    _excused: Counter[Whose] = field(default_factory=Counter)
    _excusing: dict[Whose, int] = field(default_factory=dict)
    _settled: dict[Whose, int] = field(default_factory=dict)
    _waiting: list[tuple[int, asyncio.Event]] = field(default_factory=list)

    # What happens

    def offer(self, letter: Letter) -> None:
        self.offered[letter.id] = letter

    def hand_in(self, letter: Letter) -> None:
        """All of it is being sent; whether it was taken is known when the answer is read."""
        self.handed_in[letter.id] += 1

    def acknowledge(self, letter: Letter) -> None:
        """Its 250 or 201 was read."""
        with self.file.open("a") as file:
            file.write(f"{letter.id} {hashlib.sha256(letter.content).hexdigest()}\n")
        self._happens()

    def arrive(self, message: Received) -> None:
        """Something was answered 250 at the far side."""
        if message.reverse_path == "":
            self._report(message.content)
        else:
            self._take(message.content, message.recipients)
        self._happens()

    def found_inside(self, content: bytes, mailbox: str) -> None:
        """A letter stands in one of our own mailboxes."""
        self._take(content, [mailbox])

    def is_told(self, event_id: str) -> None:
        """A webhook of that event came."""
        self.told[event_id] += 1

    def killed(self, settled: Collection[Whose]) -> int:
        """The daemon is dead, and its store says that these deliveries were over: none may be repeated.

        What arrived and is not among them may come once more, and once only.
        Returns how many such there were.
        """
        in_flight = 0
        for whose, copies in self.arrivals.items():
            if self.offered[whose[0]].door == "mx":
                continue
            if whose in settled:
                self._settled.setdefault(whose, len(copies))
            elif len(copies) > self._excusing.get(whose, 0):
                self._excusing[whose] = len(copies)
                self._excused[whose] += 1
                in_flight += 1
        return in_flight

    async def after(self, count: int) -> None:
        """Wait for so many more acknowledgements and arrivals."""
        event = asyncio.Event()
        self._waiting.append((self.happened + count, event))
        # A daemon below strace on a busy machine may take half a minute to start.
        async with asyncio.timeout(180):
            await event.wait()

    # The sums

    def acknowledged(self) -> dict[str, str]:
        """Id → SHA-256, as they stand in the file."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return dict((line.split(" ")[0], line.split(" ")[1]) for line in lines)

    def missing(self, doors: Collection[Door] = ("smtp", "api", "mx")) -> set[Whose]:
        """Recipients of acknowledged messages to whom nothing came, and of whom no report tells."""
        letters = [self.offered[name] for name in self.acknowledged()]
        due = {(letter.id, to) for letter in letters if letter.door in doors for to in letter.recipients}
        return due - self.arrivals.keys() - self.reports.keys()

    def duplicates(self) -> dict[Whose, int]:
        return {who: len(copies) - 1 for who, copies in self.arrivals.items() if len(copies) > 1}

    def unexcused(self) -> dict[Whose, int]:
        """Copies that SMTP does not make unavoidable.

        Going out, one more is unavoidable for each kill at which it had
        arrived and its outcome was not committed; coming in, one for each time
        that a client sent it again because it had read no answer.
        """
        found = {}
        for who, more in self.duplicates().items():
            letter = self.offered[who[0]]
            allowed = self.handed_in[letter.id] - 1 if letter.door == "mx" else self._excused[who]
            if more > allowed:
                found[who] = more - allowed
        return found

    def repeated(self) -> list[Whose]:
        """Deliveries that were made again after their outcome was committed."""
        return [who for who, count in self._settled.items() if len(self.arrivals[who]) > count]

    def unlike(self) -> list[Whose]:
        """Recipients of outgoing letters whose copies are not the same, byte for byte."""
        return [
            who
            for who, copies in self.arrivals.items()
            if self.offered[who[0]].door != "mx" and len(set(copies)) > 1
        ]

    def _take(self, content: bytes, recipients: Collection[str]) -> None:
        found = _ID.search(content)
        letter = self.offered.get(found[1].decode()) if found else None
        if letter is None or not set(recipients) <= set(letter.recipients):
            self.phantoms.append(content[:2000])
            return
        if not letter.is_in(content):
            self.corrupt.append(letter.id)
        for recipient in recipients:
            self.arrivals[letter.id, recipient].append(content)

    def _report(self, content: bytes) -> None:
        found = _ID.findall(content)
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
