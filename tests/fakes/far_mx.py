"""A far mail exchanger on loopback that does what a test tells it to.

    mx = await FarMx.start()
    mx.answers("ann@example.net", "451 4.7.1 greylisted", then="250 2.0.0 ok")
    mx.answers("MAIL", "550 5.7.1 no")     # also BANNER EHLO HELO STARTTLS AUTH RCPT DATA . RSET QUIT
    mx.closes(".")                         # takes the message, hangs up instead of answering
    release = mx.stalls("DATA")            # answers only after release.set()
    mx.received[0].recipients, mx.received[0].content

An answer is one line of text, several with line feeds between them, or bytes
that are sent as they are. `python -m tests.fakes.far_mx [HOST:PORT]` runs one
as a process: first line printed is "host:port", then one line of JSON for each
message.
"""

import asyncio
import base64
import json
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self


class Deed(Enum):
    """What may be done instead of answering."""

    CLOSE = auto()


@dataclass(frozen=True)
class Drip:
    """Octets that are sent one at a time, with a moment between them."""

    octets: bytes
    every: float


Answer = str | bytes | Deed | Drip | asyncio.Event

OK = "250 2.0.0 ok"


@dataclass
class Received:
    """One message as it came: `wire` with its doubled dots, `content` without them, both without the end."""

    reverse_path: str
    parameters: list[str]
    helo: str
    tls: str | None
    session: int
    login: str | None = None
    recipients: list[str] = field(default_factory=list)
    recipient_parameters: dict[str, list[str]] = field(default_factory=dict)
    wire: bytes = b""

    @property
    def content(self) -> bytes:
        return b"".join(line.removeprefix(b".") for line in self.wire.splitlines(keepends=True))


class FarMx:
    """One server. `received` lists messages answered 2xx, `taken` also those refused after the dot."""

    def __init__(self) -> None:
        self.extensions = ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        self.received: list[Received] = []
        self.taken: list[Received] = []
        self.commands: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.sessions = 0
        self.open_sessions = 0
        self.most_sessions = 0
        self.host = ""
        self.port = 0
        self.on_message: Callable[[Received], None] | None = None
        self._script: dict[str, list[Answer]] = {}
        self._tls: ssl.SSLContext | None = None
        self._implicit_tls = False
        self._breaks_tls = False
        self._stalls_tls = False
        self._reading_pause: float | None = None
        self._cut_content: tuple[int, Answer] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()

    @classmethod
    async def start(
        cls,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
    ) -> Self:
        """Listen; with `tls` STARTTLS is offered, with `implicit_tls` the connection begins with it."""
        self = cls()
        self._implicit_tls = implicit_tls
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=2**20, ssl=tls if implicit_tls else None
        )
        self.host, self.port = self._server.sockets[0].getsockname()[:2]
        if tls is not None and not implicit_tls:
            self._tls = tls
            self.extensions.append("STARTTLS")
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What it is told to do

    def answers(self, what: str, answer: Answer, *, then: Answer | list[Answer] | None = None) -> None:
        """Answer a command, or RCPT for an address, with `answer`, then each of `then`; the last stays."""
        further = then if isinstance(then, list) else [] if then is None else [then]
        self._script[_key(what)] = [answer, *further]

    def closes(self, what: str, *, then: Answer | list[Answer] | None = None) -> None:
        """Hang up when that comes (for "." after the whole message)."""
        self.answers(what, Deed.CLOSE, then=then)

    def stalls(self, what: str) -> asyncio.Event:
        """Say nothing to that until the returned event is set, then answer as usual."""
        gate = asyncio.Event()
        self.answers(what, gate)
        return gate

    def drips(self, what: str, octets: bytes, *, every: float = 0.01) -> None:
        """Answer with these octets, one at a time, `every` so many seconds."""
        self.answers(what, Drip(octets, every))

    def behaves(self) -> None:
        """Forget the script."""
        self._script.clear()
        self._cut_content = None

    def offers(self, *extensions: str) -> None:
        """Offer these besides (or, for a keyword already offered, in this form)."""
        for extension in extensions:
            self.hides(extension.split()[0])
            self.extensions.append(extension)

    def hides(self, *keywords: str) -> None:
        """Do not offer these."""
        self.extensions = [line for line in self.extensions if line.split()[0] not in keywords]

    def breaks_handshakes(self) -> None:
        """Offer STARTTLS, agree to it, and answer the handshake with rubbish."""
        self._breaks_tls = True
        self.offers("STARTTLS")

    def stalls_handshakes(self) -> None:
        """Offer STARTTLS, agree to it, and say nothing more."""
        self.answers("STARTTLS", "220 ready")
        self._stalls_tls = True
        self.offers("STARTTLS")

    def cuts_content(self, after: int, answer: Answer = Deed.CLOSE) -> None:
        """After so many octets of content, hang up, or answer early and read no further."""
        self._cut_content = (after, answer)

    def stops_reading_content(self) -> None:
        self._reading.clear()

    def reads_slowly(self, *, every: float) -> None:
        """Rest so many seconds after every 64 KiB of content."""
        self._reading_pause = every

    def reads_on(self) -> None:
        self._reading.set()

    async def messages_arrive(self, count: int = 1) -> list[Received]:
        """Wait until so many messages were answered 2xx."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def hears(self, verb: str, count: int = 1) -> None:
        """Wait until that command was given so many times."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.says(verb)) >= count)

    async def everybody_leaves(self) -> None:
        """Wait until no session is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.open_sessions == 0)

    def says(self, *verbs: str) -> list[str]:
        """The commands heard so far whose first word is one of `verbs`."""
        return [line for line in self.commands if line.split(" ")[0].upper() in verbs]

    def next_answer(self, what: str, default: Answer) -> Answer:
        script = self._script.get(_key(what))
        if not script:
            return default
        return script.pop(0) if len(script) > 1 else script[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.sessions += 1
        self.open_sessions += 1
        self.most_sessions = max(self.most_sessions, self.open_sessions)
        try:
            await _Session(self, reader, writer, self.sessions).run()
        except (_Closed, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            self.open_sessions -= 1
            async with self._changed:
                self._changed.notify_all()


class _Closed(Exception):
    """The script says to hang up."""


class _Session:
    def __init__(
        self, mx: FarMx, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        self._mx = mx
        self._reader = reader
        self._writer = writer
        self._number = number
        self._helo = ""
        self._login: str | None = None
        self._message: Received | None = None

    async def run(self) -> None:
        if await self._answer("BANNER", "220 mx.example.net ESMTP") >= 500:
            return
        while line := await self._reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self._mx.commands.append(text)
            async with self._mx._changed:
                self._mx._changed.notify_all()
            verb = text.split(" ")[0].upper()
            await getattr(self, f"_on_{verb.lower()}", self._on_other)(text)
            if verb == "QUIT":
                return

    async def _answer(self, what: str, default: Answer, *, key: str | None = None) -> int:
        """Say it; returns the code that was said (0 for bytes)."""
        answer = self._mx.next_answer(key or what, default)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = default
        if answer is Deed.CLOSE:
            raise _Closed
        if isinstance(answer, Drip):
            for octet in answer.octets:
                self._writer.write(bytes([octet]))
                await asyncio.sleep(answer.every)
            return 0
        if isinstance(answer, bytes):
            self._writer.write(answer)
            await self._writer.drain()
            return int(answer[:3]) if answer[:3].isdigit() else 0
        assert isinstance(answer, str)
        self._writer.write(_wire(answer))
        await self._writer.drain()
        return int(answer[:3])

    async def _on_ehlo(self, text: str) -> None:
        self._helo = text.partition(" ")[2]
        hidden = {"STARTTLS"} if self._tls_version() else set()
        lines = [line for line in self._mx.extensions if line not in hidden]
        await self._answer("EHLO", "\n".join(["250 mx.example.net", *lines]))

    async def _on_helo(self, text: str) -> None:
        self._helo = text.partition(" ")[2]
        await self._answer("HELO", "250 mx.example.net")

    async def _on_starttls(self, _text: str) -> None:
        if await self._answer("STARTTLS", "220 2.0.0 ready") != 220:
            return
        if self._mx._breaks_tls:
            self._writer.write(b"this is no handshake\r\n" * 10)
            await self._writer.drain()
            raise _Closed
        if self._mx._stalls_tls:
            while await self._reader.read(1024):
                pass
            raise _Closed
        assert self._mx._tls is not None
        await self._writer.start_tls(self._mx._tls)

    async def _on_auth(self, text: str) -> None:
        _, mechanism, *initial = text.split(" ")
        if mechanism.upper() == "PLAIN":
            _, login, password = base64.b64decode(initial[0]).decode().split("\0")
        else:
            words = []
            for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                self._writer.write(f"334 {prompt}\r\n".encode())
                words.append(base64.b64decode(await self._reader.readline()).decode())
            login, password = words
        self._mx.logins.append((login, password))
        if await self._answer("AUTH", "235 2.7.0 welcome") == 235:
            self._login = login

    async def _on_mail(self, text: str) -> None:
        path, *parameters = text.partition(":")[2].split(" ")
        if await self._answer("MAIL", OK) // 100 == 2:
            self._message = self._nobodys(path[1:-1], parameters)

    def _nobodys(self, reverse_path: str = "", parameters: list[str] | None = None) -> Received:
        """A message that has no recipients yet."""
        return Received(
            reverse_path, parameters or [], self._helo, self._tls_version(), self._number, self._login
        )

    async def _on_rcpt(self, text: str) -> None:
        path, *parameters = text.partition(":")[2].split(" ")
        address = path[1:-1]
        key = address if _key(address) in self._mx._script else "RCPT"
        default = OK if self._message else "503 5.5.1 MAIL first"
        if await self._answer("RCPT", default, key=key) // 100 == 2 and self._message:
            self._message.recipients.append(address)
            self._message.recipient_parameters[address] = parameters

    async def _on_data(self, _text: str) -> None:
        message, self._message = self._message or self._nobodys(), None
        default = "354 go ahead" if message.recipients else "503 5.5.1 no valid recipients"
        if await self._answer("DATA", default) != 354:
            return
        message.wire = await self._read_content()
        self._mx.taken.append(message)
        # What was answered 2xx counts as received before the other side can know.
        upcoming = self._mx._script.get(".", [OK])[0]
        accepted = isinstance(upcoming, str) and upcoming.startswith("2")
        if accepted or isinstance(upcoming, asyncio.Event):
            self._mx.received.append(message)
            if self._mx.on_message is not None:
                self._mx.on_message(message)
            async with self._mx._changed:
                self._mx._changed.notify_all()
        await self._answer(".", OK)

    async def _read_content(self) -> bytes:
        content, rest_at = bytearray(), 0
        while True:
            await self._mx._reading.wait()
            if self._mx._reading_pause is not None and len(content) >= rest_at:
                rest_at = len(content) + 65536
                await asyncio.sleep(self._mx._reading_pause)
            line = await self._reader.readuntil(b"\n")
            if line == b".\r\n" and (not content or content.endswith(b"\r\n")):
                return bytes(content)
            content += line
            cut = self._mx._cut_content
            if cut is not None and len(content) >= cut[0]:
                await self._answer("CONTENT", cut[1])
                await asyncio.Event().wait()

    async def _on_rset(self, _text: str) -> None:
        self._message = None
        await self._answer("RSET", OK)

    async def _on_quit(self, _text: str) -> None:
        await self._answer("QUIT", "221 2.0.0 bye")

    async def _on_other(self, text: str) -> None:
        await self._answer(text.split(" ")[0].upper(), "502 5.5.1 not here")

    def _tls_version(self) -> str | None:
        channel = self._writer.get_extra_info("ssl_object")
        return channel.version() if channel is not None else None


def _key(what: str) -> str:
    return what.lower() if "@" in what else what.upper()


def _wire(answer: str) -> bytes:
    """`250 a\\nb\\nc` as the lines of one reply."""
    code, separator, text = answer[:3], answer[3:4], answer[4:]
    *firsts, last = text.split("\n")
    lines = [f"{code}-{line}" for line in firsts] + [f"{code}{separator}{last}"]
    return "".join(f"{line}\r\n" for line in lines).encode()


async def _main(listen: str) -> None:
    host, _, port = listen.rpartition(":")
    mx = await FarMx.start(host, int(port))

    def tell(message: Received) -> None:
        record = {
            "reverse_path": message.reverse_path,
            "recipients": message.recipients,
            "parameters": message.parameters,
            "content": message.content.decode("latin-1"),
        }
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()

    mx.on_message = tell
    sys.stdout.write(f"{mx.host}:{mx.port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:0"))
