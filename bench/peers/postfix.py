"""Postfix as a relay: Debian's programs with a configuration, queue and port of their own.

Tuned for this load, and in its favour where there is a choice: its log lines
go to the system's log, and are lost where there is none.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bench.peers.contender import SBIN, Server, find, free_port, listens
from bench.peers.opendkim import Signer, run_opendkim

_LIMIT = "default_process_limit"
_DAEMONS = "/usr/lib/postfix/sbin"
_SERVICES = """\
{listen} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""
_PLAIN = {
    "compatibility_level": "3.6",
    "command_directory": "/usr/sbin",
    "daemon_directory": _DAEMONS,
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "myhostname": "mail.ours.test",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "local_recipient_maps": "",
    "smtp_dns_support_level": "disabled",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
}


def _tuned(sessions: int) -> dict[str, str]:
    return {
        # Also the length of the listener's backlog: a session must not wait for a process to be free.
        _LIMIT: str(max(100, sessions + 50)),
        "default_destination_concurrency_limit": "20",
        "initial_destination_concurrency": "20",
        "in_flow_delay": "0",
        "qmgr_message_active_limit": "40000",
        "qmgr_message_recipient_limit": "40000",
        "max_use": "10000",
        "smtpd_peername_lookup": "no",
    }


class Postfix:
    """Takes from loopback and relays to the sink; signs nothing."""

    name = "Postfix"

    def missing(self) -> str | None:
        if find("postfix") is None:
            return "not installed: apt-get install postfix"
        return None if os.geteuid() == 0 else "its master starts for root only: run as root"

    def tuning(self) -> list[str]:
        fixed = [f"{key} = {value}" for key, value in _tuned(0).items() if key != _LIMIT]
        return [f"{_LIMIT} = 100, or sessions + 50 where that is more", *fixed]

    @asynccontextmanager
    async def running(self, directory: Path, sink_port: int, sessions: int) -> AsyncIterator[Server]:
        settings = {**_tuned(sessions), "relayhost": f"[127.0.0.1]:{sink_port}"}
        async with _run(directory, settings) as (port, master):
            yield Server(port, (master,))


class PostfixWithOpenDkim(Postfix):
    """The same with OpenDKIM as its milter on a UNIX socket: by TCP each message would wait some 90 ms."""

    name = "Postfix + OpenDKIM"

    def missing(self) -> str | None:
        if find("opendkim") is None:
            return "not installed: apt-get install postfix opendkim"
        return super().missing()

    def tuning(self) -> list[str]:
        return [*super().tuning(), "milter on a UNIX socket", *Signer.described()]

    @asynccontextmanager
    async def running(self, directory: Path, sink_port: int, sessions: int) -> AsyncIterator[Server]:
        settings = {**_tuned(sessions), "relayhost": f"[127.0.0.1]:{sink_port}"}
        async with run_opendkim(directory) as signer:
            # Unsigned mail must not slip through when the signer fails.
            milter = {"smtpd_milters": f"unix:{signer.socket}", "milter_default_action": "tempfail"}
            async with _run(directory, {**settings, **milter}) as (port, master):
                yield Server(port, (master, signer.pid), keys=signer.keys, algorithms=("rsa-sha256",))


@asynccontextmanager
async def _run(directory: Path, settings: Mapping[str, str]) -> AsyncIterator[tuple[int, int]]:
    """An instance in `directory`: its port, and the process id of its master."""
    port = free_port()
    config = _write_configuration(directory, port, settings)
    await _program("/usr/sbin/postfix", "-c", str(config), "check")  # makes the queue's directories
    master = await _start(f"{_DAEMONS}/master", "-c", str(config), "-d")
    try:
        await listens(port)
        yield port, master.pid
    finally:
        with suppress(ProcessLookupError):
            master.terminate()  # it ends its process group, which is its own
        await master.wait()


async def _program(*command: str) -> None:
    process = await _start(*command)
    if code := await process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {code}")


async def _start(*command: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": SBIN, "LANG": "C"},
        start_new_session=True,
    )


def _write_configuration(directory: Path, port: int, settings: Mapping[str, str]) -> Path:
    config = directory / "etc"
    for name in ("etc", "queue", "data"):
        (directory / name).mkdir(mode=0o755)
    shutil.chown(directory / "data", "postfix", "postfix")
    places = {"queue_directory": f"{directory}/queue", "data_directory": f"{directory}/data"}
    lines = [f"{key} = {value}\n" for key, value in {**_PLAIN, **places, **settings}.items()]
    (config / "main.cf").write_text("".join(lines))
    (config / "master.cf").write_text(_SERVICES.format(listen=f"127.0.0.1:{port}"))
    return config
