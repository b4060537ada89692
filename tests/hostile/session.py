"""One fuzzed session: says what `sentences` draws, hears replies, and holds each against the `model`.

A session is known by its seed and number: `Session(doors, seed, number)` says
the same again. Whatever is not right raises `Wrong` with the last of what was
said and heard.
"""

import asyncio
import contextlib
import re
import ssl
from collections import deque
from dataclasses import dataclass, field
from random import Random

from tests.hostile.model import FAULTS, Model
from tests.hostile.sentences import Sentence, content, credentials, sentence, way_to_mail

PATIENCE = 30.0  # seconds for any reply: the daemon may share its machine
_REPLY = re.compile(rb"([2345])(\d\d)([ -])(?:([245])\.\d{1,3}\.\d{1,3} )?[\x20-\x7e]*\r\n\Z")
_QUEUED = re.compile(rb"250 2\.0\.0 (?:queued|received) as (msg_\w+)")
_LONGEST = 512


class Wrong(AssertionError):
    """The server did what it must not."""


class _Ended(Exception):
    """The server has closed, as it may."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Where to knock, and with what: ports by name, a context for TLS, a login that is right."""

    ports: dict[str, int]
    tls: ssl.SSLContext
    login: tuple[str, str]


@dataclass
class Session:
    """`run` it once; then `taken` has the ids that were promised with 250."""

    doors: Doors
    seed: int
    number: int
    taken: list[str] = field(default_factory=list)
    commands: int = 0
    _told: deque[bytes] = field(default_factory=lambda: deque(maxlen=60))

    def __post_init__(self) -> None:
        self._chance = Random(f"{self.seed} {self.number}")

    async def run(self) -> None:
        """Raises Wrong."""
        door = self._chance.choice(sorted(self.doors.ports))
        is_tls = door == "submissions"
        self._model = Model(is_mx=door == "inbound", has_tls=is_tls)
        try:
            async with asyncio.timeout(4 * PATIENCE):
                self._reader, self._writer = await asyncio.open_connection(
                    "127.0.0.1",
                    self.doors.ports[door],
                    ssl=self.doors.tls if is_tls else None,
                    server_hostname="localhost" if is_tls else None,
                )
                await self._talk()
        except Wrong as wrong:
            raise Wrong(f"{self._name(door)}: {wrong}\n" + "\n".join(self.transcript())) from None
        except TimeoutError:
            raise Wrong(
                f"{self._name(door)}: no answer, or no end\n" + "\n".join(self.transcript())
            ) from None

    def _name(self, door: str) -> str:
        return f"seed {self.seed}, session {self.number} at {door}"

    def transcript(self) -> list[str]:
        """The last of what was said and heard."""
        return [repr(line[:300]) for line in self._told]

    async def _talk(self) -> None:
        try:
            if await self._hear() != 220:
                raise Wrong("no greeting")
            if self._chance.random() < 0.08:
                await self._say_all_at_once()
                return
            with contextlib.suppress(_Ended):
                await self._lead_in()
                for _ in range(self._chance.randrange(4, 50)):
                    await self._group()
                await self._leave()
        finally:
            self._writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await self._writer.wait_closed()

    async def _lead_in(self) -> None:
        """Most sessions get as far as mail may be handed in."""
        if self._chance.random() < 0.2:
            return
        if not self._model.has_tls and self._chance.random() < 0.4:
            await self._exchange(
                [Sentence(b"EHLO a\r\n", "right"), Sentence(b"STARTTLS\r\n", "right")], apart=True
            )
        if self._model.has_tls and not self._model.is_mx:
            auth = Sentence(b"AUTH PLAIN " + credentials(self.doors.login) + b"\r\n", "right")
            await self._exchange([Sentence(b"EHLO a\r\n", "right"), auth], apart=True)
        if self._chance.random() < 0.7:
            await self._exchange(way_to_mail(self._chance, self.doors.login))

    async def _group(self) -> None:
        """Some commands in one go (RFC 2920); what asks for an answer in between comes last."""
        if self._chance.random() < 0.12:
            await self._exchange(way_to_mail(self._chance, self.doors.login))
            return
        group: list[Sentence] = []
        for _ in range(self._chance.choice((1, 1, 1, 2, 5))):
            group.append(sentence(self._chance, self.doors.login))
            if group[-1].kind != "right" or group[-1].verb in ("DATA", "AUTH", "STARTTLS", "EHLO", "HELO"):
                break
        await self._exchange(group)

    async def _exchange(self, group: list[Sentence], *, apart: bool = False) -> None:
        for part in [[one] for one in group] if apart else [group]:
            await self._send(b"".join(one.line for one in part))
            for one in part:
                await self._answer_to(one)

    async def _answer_to(self, said: Sentence) -> None:
        self.commands += 1
        for _ in range(said.line.count(b"\n")):
            await self._judge(said)

    async def _judge(self, said: Sentence) -> None:
        allowed = self._model.codes(said)
        code = await self._hear()
        if code == 421:
            await self._expect_end("421", self._model.errors >= 19 or self._model.commands >= 99)
        if code not in allowed and code != 334:
            raise Wrong(f"{code} to {said.line[:200]!r} ({said.kind}), allowed {sorted(allowed)[:20]}")
        self._model.hears(said, code)
        if code == 354:
            await self._hand_in()
        elif code == 334:
            await self._respond()
        elif code == 220:
            await self._start_tls()
        elif code == 221:
            await self._expect_end("221", True)
        elif said.kind == "damaged" and code == 500 and await self._is_over():
            raise _Ended

    async def _is_over(self) -> bool:
        """A line that is no SMTP at all ends the session: whether this one did."""
        await self._send(b"NOOP\r\n", may_fail=True)
        line = await self._line()
        if line == b"":
            return True
        if not line.startswith((b"250 2.0.0", b"421 ")):
            raise Wrong(f"{line!r} to NOOP")
        self._model.commands += 1
        if line.startswith(b"421"):
            await self._expect_end("421", self._model.may_be_closed())
        return False

    async def _respond(self) -> None:
        """To a challenge of AUTH: give up, or talk nonsense."""
        for _ in range(3):
            response = self._chance.choice((b"*", b"!", b"AAAA", b"=", b"", b"a" * 5000))
            await self._send(response + b"\r\n")
            code = await self._hear()
            if code != 334:
                if code not in (501, 535):
                    raise Wrong(f"{code} to {response[:50]!r} as a response")
                self._model.errors += 1
                return
        raise Wrong("AUTH asks for ever")

    async def _hand_in(self) -> None:
        message = content(self._chance, is_mx=self._model.is_mx)
        if self._chance.random() < 0.02:
            await self._send(message.octets[: len(message.octets) // 2])
            raise _Ended
        await self._send(message.octets)
        code = await self._hear()
        self._model.reset()
        if code not in message.codes:
            raise Wrong(f"{code} to content {message.octets[:300]!r}, allowed {sorted(message.codes)}")
        if code == 250:
            self._model.errors = self._model.commands = 0
            found = _QUEUED.match(self._told[-1])
            if found is None:
                raise Wrong("250 without an id")
            self.taken.append(found[1].decode())
        else:
            self._model.errors += 1

    async def _start_tls(self) -> None:
        try:
            await self._writer.start_tls(self.doors.tls, server_hostname="localhost")
        except (OSError, ssl.SSLError) as error:
            raise Wrong(f"no TLS after 220: {error}") from None
        self._model.starts_tls()

    async def _leave(self) -> None:
        draw = self._chance.random()
        if draw < 0.5:
            await self._exchange([Sentence(b"QUIT\r\n", "right")])
        if draw < 0.7 and self._writer.can_write_eof():
            self._writer.write_eof()
            await self._expect_end("the end of input", True)
        if draw < 0.8:
            self._writer.transport.abort()

    async def _say_all_at_once(self) -> None:
        """A whole session without waiting: what comes back must be replies, and come to an end."""
        login = self.doors.login
        lines = [sentence(self._chance, login).line for _ in range(self._chance.randrange(1, 60))]
        lines[0:0] = [one.line for one in way_to_mail(self._chance, login)] + [
            b"Subject: x\r\n\r\nx\r\n.\r\n"
        ]
        await self._send(b"".join(line for line in lines if b"STARTTLS" not in line.upper()), may_fail=True)
        self.commands += len(lines)
        if not self._writer.can_write_eof():
            return
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        with contextlib.suppress(_Ended):
            while True:
                await self._hear()

    async def _expect_end(self, why: str, is_fair: bool) -> None:
        if not is_fair:
            raise Wrong(f"{why} after {self._model.errors} errors and {self._model.commands} commands")
        while line := await self._line():
            if not self._model.may_be_closed() and why != "the end of input":
                raise Wrong(f"{line!r} after {why}")
        raise _Ended

    async def _send(self, octets: bytes, *, may_fail: bool = False) -> None:
        self._told.append(b"C: " + octets)
        try:
            self._writer.write(octets)
            await self._writer.drain()
        except OSError:
            if not may_fail:
                return  # what it said last is still to be read

    async def _hear(self) -> int:
        """The code of the next reply, all of whose lines are well formed and agree."""
        codes = set()
        while True:
            line = await self._line()
            if line == b"":
                raise _Ended
            found = _REPLY.match(line)
            if found is None or len(line) > _LONGEST or (found[4] and found[4] != found[1]):
                raise Wrong(f"no reply line: {line!r}")
            if line.startswith(FAULTS):
                raise Wrong(f"a fault of ours: {line!r}")
            codes.add(int(found[1] + found[2]))
            if found[3] == b" ":
                break
        if len(codes) != 1:
            raise Wrong(f"a reply of several codes: {codes}")
        return codes.pop()

    async def _line(self) -> bytes:
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._reader.readline()
        except (ConnectionError, ssl.SSLError):
            return b""
        except ValueError:
            raise Wrong("a line of more than 64 KiB") from None
        if line:
            self._told.append(line)
        return line
