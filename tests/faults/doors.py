"""Knock at every door of a daemon, and remember what was acknowledged: that must be in the store, and arrive.

daemon, doors = await started(make_daemon, dns, mx, tmp_path / "data")
await doors.knock()                  # TAKEN, or what was said instead
doors.lost()                         # acknowledged, and not in the store
"""

import asyncio
import itertools
import smtplib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx2

from tests.fakes.api_client import make_key
from tests.fakes.daemon import APPLICATION, OURS, Daemon, MakeDaemon
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx

FAR = "far.example"
FAR_RECIPIENT = f"ann@{FAR}"
SIZE = 100_000
TAKEN = {"submission": "250", "inbound": "250", "api": "201"}
_numbers = itertools.count(1)


@dataclass(slots=True)
class Doors:
    """Of a daemon that `started` has started."""

    daemon: Daemon
    key: str
    acknowledged: list[str] = field(default_factory=list)

    async def knock(self) -> dict[str, str]:
        """Offer one message at each door at once; the answer, or the first refusal, of each."""
        submission, inbound, api = await asyncio.gather(
            asyncio.to_thread(self._smtp, "submission", FAR_RECIPIENT),
            asyncio.to_thread(self._smtp, "inbound", APPLICATION),
            self._http(),
        )
        return {"submission": submission, "inbound": inbound, "api": api}

    async def refuse(self, knocks: int = 20) -> dict[str, str]:
        """Knock until no door takes anything; what each said then."""
        for _ in range(knocks):
            said = await self.knock()
            if not any(reply.startswith("2") for reply in said.values()):
                return said
        raise AssertionError(f"still taking mail: {said}")

    def lost(self) -> set[str]:
        """Acknowledged messages that are not in the store."""
        path = self.daemon.config.store_file
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
            kept = {subject for (subject,) in store.execute("select subject from messages")}
        return set(self.acknowledged) - kept

    def _smtp(self, door: str, recipient: str) -> str:
        name = _name()
        try:
            with smtplib.SMTP("127.0.0.1", self.daemon.ports[door], "there.test", timeout=60) as client:
                client.ehlo()
                if door == "submission":
                    client.login(APPLICATION, self.daemon.password)
                client.sendmail(
                    f"app@{OURS}" if door == "submission" else "bob@there.test",
                    [recipient],
                    _letter(name, recipient),
                )
        except smtplib.SMTPRecipientsRefused as refused:
            ((code, text),) = refused.recipients.values()
            return f"{code} {text.decode()}"
        except smtplib.SMTPResponseException as refused:
            return f"{refused.smtp_code} {_text(refused.smtp_error)}"
        self.acknowledged.append(name)
        return "250"

    async def _http(self) -> str:
        name = _name()
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{self.daemon.ports['http']}", timeout=60, trust_env=False
        ) as http:
            answer = await http.post(
                f"/v1/inboxes/{APPLICATION}/messages",
                headers={"Authorization": f"Bearer {self.key}"},
                json={"to": [FAR_RECIPIENT], "subject": name, "text": "x" * SIZE},
            )
        if answer.is_success:
            self.acknowledged.append(name)
        return f"{answer.status_code}" if answer.is_success else f"{answer.status_code} {answer.text}"


def _name() -> str:
    return f"message {next(_numbers):05}"


def _letter(name: str, recipient: str) -> str:
    head = f"From: <{APPLICATION}>\r\nTo: <{recipient}>\r\nSubject: {name}\r\n"
    return f"{head}Message-ID: <{name[-5:]}@there.test>\r\n\r\n" + f"{'x' * 98}\r\n" * (SIZE // 100)


def _text(said: bytes | str) -> str:
    return said.decode() if isinstance(said, bytes) else said


async def started(make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, data_dir: Path) -> tuple[Daemon, Doors]:
    """A daemon with all its doors open, which delivers to `mx`."""
    dns.mx(FAR, (10, f"mx.{FAR}"))
    dns.address(f"mx.{FAR}", mx.host)
    daemon = await make_daemon(
        {
            "server.data_dir": str(data_dir),
            "store.min_free": "1MiB",
            "dns.nameservers": [dns.nameserver],
            "delivery.port": mx.port,
            "delivery.retry_schedule": ["1s"],
            "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
        },
        watchdog=timedelta(milliseconds=600),
        receives=True,
    )
    key = await make_key(daemon)
    await daemon.start()
    return daemon, Doors(daemon, key)
