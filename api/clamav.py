"""Ask clamd about files: the command INSTREAM of its socket, one file on a connection.

It knows a file by its octets alone; what was found clean is not asked about
again for a while, so that a file that goes to a thousand is looked at once.
"""

import asyncio
import hashlib
import logging
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from api.problems import FieldError, Problem
from relay.clock import Clock
from relay.config import ClamavConfig
from relay.message.composition import ComposedAttachment

logger = logging.getLogger("posthouse.api")

_CHUNK = 1 << 16
_ANSWER_LIMIT = 1000
_CLEAN = b"stream: OK"
_FOUND = re.compile(rb"stream: (?P<name>.+) FOUND\Z")
# Its signatures are renewed a few times a day.
_REMEMBERED_FOR = 60.0
_MANY = 1000


class ScannerAway(Exception):
    """Nobody can say what is in the file now."""


@dataclass(slots=True)
class Scanner:
    """One clamd, as the configuration names it; none where that is empty."""

    clamav: ClamavConfig
    clock: Clock
    _clean: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    async def check(self, files: Sequence[ComposedAttachment]) -> None:
        """Raise Problem: 422 for a file that is infected, 503 where nobody looks and that is not enough."""
        if not self.clamav.socket:
            return
        for place, file in enumerate(files):
            try:
                found = await self._look_at(file.content)
            except ScannerAway as away:
                logger.warning("the virus scanner is away: %s", away)
                if self.clamav.when_away == "refuse":
                    text = "The attachments cannot be scanned for viruses now; please try again."
                    raise Problem(503, "not_accepting", text, headers={"Retry-After": "30"}) from away
                return
            if found is not None:
                path, why = f"$.attachments[{place}]", f"is infected: {found}"
                raise Problem(422, "validation_error", f"{path}: {why}", errors=[FieldError(path, why)])

    async def _look_at(self, content: bytes) -> str | None:
        """The name of what is in it; None where nothing is. Raises ScannerAway."""
        digest = await asyncio.to_thread(lambda: hashlib.sha256(content).digest())
        if self.clock.monotonic() - self._clean.get(digest, -_REMEMBERED_FOR) < _REMEMBERED_FOR:
            return None
        try:
            async with asyncio.timeout(self.clamav.timeout.total_seconds()):
                answer = await self._ask(content)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:  # TimeoutError among them
            raise ScannerAway(str(error) or type(error).__name__) from error
        if found := _FOUND.match(answer):
            return found["name"].decode("ascii", "replace")
        if answer != _CLEAN:
            raise ScannerAway(f"it says {answer[:100]!r}")
        self._note_clean(digest)
        return None

    async def _ask(self, content: bytes) -> bytes:
        reader, writer = await self._connect()
        try:
            writer.write(b"zINSTREAM\0")
            for start in range(0, len(content), _CHUNK):
                chunk = content[start : start + _CHUNK]
                writer.write(len(chunk).to_bytes(4, "big") + chunk)
                await writer.drain()
            writer.write(bytes(4))
            await writer.drain()
            return (await reader.readuntil(b"\0"))[:-1]
        finally:
            # Not closed politely: one that hangs would be waited for.
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        socket = self.clamav.socket
        if socket.startswith("/"):
            return await asyncio.open_unix_connection(socket, limit=_ANSWER_LIMIT)
        host, _, port = socket.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=_ANSWER_LIMIT)

    def _note_clean(self, digest: bytes) -> None:
        self._clean[digest] = self.clock.monotonic()
        self._clean.move_to_end(digest)
        while len(self._clean) > _MANY:
            self._clean.popitem(last=False)
