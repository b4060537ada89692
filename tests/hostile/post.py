"""Hand damaged letters in at the MX, and see each of them stored, read and shown."""

import asyncio
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from random import Random

import httpx2

from tests.fakes.api_client import make_key
from tests.fakes.daemon import APPLICATION, Daemon
from tests.hostile.letters import letter

_TAKEN = re.compile(r"250 2\.0\.0 received as (msg_\w+)")
# The only faults that a damaged letter may have at the door.
_REFUSED = ("552 5.3.4", "554 5.4.6")
_SENDERS = ("", "", "ann@far.example", "MAILER-DAEMON@far.example", f"{APPLICATION}")
STUCK = 120.0
SETTINGS = {
    "inbound.uncounted_networks": ["127.0.0.0/8"],
    "inbound.greeting_delay": "0s",
    "limits.api_requests_per_minute": 1_000_000,
}


class Lost(AssertionError):
    """A letter was promised and is not there, or cannot be shown."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that was promised to be kept; `number` draws it again."""

    number: int
    id: str
    octets: bytes


def drawn(seed: int, number: int) -> bytes:
    return letter(Random(f"{seed} {number}"))


async def hand_in(port: int, seed: int, numbers: Iterable[int]) -> list[Sent]:
    """Those that were taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def hear() -> str:
        async with asyncio.timeout(STUCK):
            while (line := (await reader.readline()).decode("ascii"))[3:4] == "-":
                pass
        return line

    sent: list[Sent] = []
    await hear()
    writer.write(b"EHLO mx.far.example\r\n")
    await hear()
    for number in numbers:
        octets = drawn(seed, number)
        sender = Random(number).choice(_SENDERS)
        writer.write(f"MAIL FROM:<{sender}>\r\nRCPT TO:<{APPLICATION}>\r\nDATA\r\n".encode())
        opening = [await hear() for _ in range(3)]
        if not opening[-1].startswith("354"):
            raise Lost(f"seed {seed}, letter {number}: {opening}")
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        writer.write((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")
        reply = await hear()
        if found := _TAKEN.match(reply):
            sent.append(Sent(number, found[1], octets))
        elif not reply.startswith(_REFUSED):
            raise Lost(f"seed {seed}, letter {number}: {reply}")
    writer.write(b"QUIT\r\n")
    await hear()
    writer.close()
    await writer.wait_closed()
    return sent


async def all_are_read(daemon: Daemon) -> None:
    """Nothing waits to be read any more."""
    async with asyncio.timeout(STUCK):
        while _count(daemon, "arrivals"):  # noqa: ASYNC110 - another process reads them
            await asyncio.sleep(0.05)


async def check_shown(daemon: Daemon, seed: int, sent: Iterable[Sent]) -> dict[str, int]:
    """Every letter by the API: whole, with its files, and as it came; how often each flag was said."""
    flags: dict[str, int] = {}
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{daemon.ports['http']}/v1/inboxes/{APPLICATION}/messages/",
        headers={"Authorization": f"Bearer {await make_key(daemon)}"},
        timeout=STUCK,
        trust_env=False,
    ) as api:
        for one in sent:
            shown = await api.get(one.id)
            raw = await api.get(f"{one.id}/raw")
            if shown.status_code != 200 or raw.status_code != 200:
                raise Lost(f"seed {seed}, letter {one.number}: {shown.status_code} {shown.text[:500]}")
            if not _ends_with(raw.content, one.octets):
                raise Lost(f"seed {seed}, letter {one.number}: it is not as it came")
            document = shown.json()
            for attachment in document["attachments"][:3]:
                file = await api.get(f"{one.id}/attachments/{attachment['id']}")
                if file.status_code != 200:
                    raise Lost(f"seed {seed}, letter {one.number}: {file.status_code} for {attachment}")
            for flag in document.get("flags", ()):
                flags[flag] = flags.get(flag, 0) + 1
    return flags


def complaints_in(log: str) -> list[str]:
    """What the daemon has to say of letters and the children that read them; there shall be nothing."""
    words = ("could not be read", "reading child", "fault of ours", "Traceback", "could not be told", "broke")
    return [line for line in log.splitlines() if any(word in line for word in words)]


def _ends_with(raw: bytes, octets: bytes) -> bool:
    """The header and body as they came; where there was no empty line between them, one was put."""
    if raw.endswith(octets) or raw.endswith(octets.removeprefix(b"\r\n")):
        return True
    return raw.replace(b"\r\n", b"").endswith(octets.replace(b"\r\n", b""))


def _count(daemon: Daemon, table: str) -> int:
    file = f"file:{daemon.config.server.data_dir}/posthouse.db?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as store:
        (count,) = store.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - our own names
        return int(count)
