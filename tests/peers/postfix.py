"""A Postfix of the test's own: Debian's programs with a configuration, queue and port of their own.

It stands as somebody's MX (`start_exchanger`) or as a client of ours with
SASL (`start_client`). What it does is read from its log, line by line.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.ports import free_port

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
DAEMONS = Path("/usr/lib/postfix/sbin")

needs_postfix = pytest.mark.skipif(
    shutil.which("postfix", path=SBIN) is None or os.geteuid() != 0,
    reason="postfix is not installed, or we are not root",
)
needs_sasl = pytest.mark.skipif(
    not any(Path("/usr/lib").glob("*/sasl2/libplain.so")), reason="libsasl2-modules is not installed"
)

_ENVIRONMENT = {"PATH": SBIN, "LANG": "C"}
_MASTER = """\
{listen} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
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
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(slots=True)
class Postfix:
    """One instance that runs. `log` holds the lines read so far."""

    directory: Path
    port: int
    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)

    async def says(self, *wanted: str) -> str:
        """The next line of its log that holds all of `wanted`."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self.process.stdout.readline()).decode(errors="replace"):
                self.log.append(line)
                if all(word in line for word in wanted):
                    return line
        raise AssertionError(f"Postfix has ended without {wanted}:\n{''.join(self.log)}")

    async def reload(self) -> None:
        """Have it read its configuration again."""
        command = ("/usr/sbin/postfix", "-c", str(self.directory / "etc"), "reload")
        asked = await asyncio.create_subprocess_exec(*command, stdin=subprocess.DEVNULL, env=_ENVIRONMENT)
        assert await asked.wait() == 0
        await self.says("reload -- version")

    async def reconfigure(self, **settings: str) -> None:
        """Change some of its settings while it runs."""
        config = self.directory / "etc" / "main.cf"
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        config.write_text(config.read_text() + "".join(lines))
        await self.reload()

    def mailbox(self, address: str) -> list[bytes]:
        """What was delivered there, oldest first, line ends as in SMTP."""
        name, _, domain = address.partition("@")
        files = sorted((self.directory / "mail" / domain / name).glob("new/*"), key=_delivered_at)
        return [file.read_bytes().replace(b"\n", b"\r\n") for file in files]


@asynccontextmanager
async def run_postfix(settings: Mapping[str, str]) -> AsyncIterator[Postfix]:
    """An instance on a free port of 127.0.0.1, until the block ends.

    Its directory is not below pytest's, which only root may enter.
    """
    directory = Path(tempfile.mkdtemp(prefix="posthouse-peer-"))
    directory.chmod(0o755)
    port = free_port()
    config = _write_configuration(directory, port, settings)
    process = await asyncio.create_subprocess_exec(
        *("/usr/sbin/postfix", "-c", str(config), "start-fg"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        start_new_session=True,
    )
    postfix = Postfix(directory, port, process)
    try:
        await postfix.says("daemon started")
        yield postfix
    finally:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((directory / "queue" / "pid" / "master.pid").read_text()), signal.SIGTERM)
        await process.communicate()
        shutil.rmtree(directory)


def _write_configuration(directory: Path, port: int, settings: Mapping[str, str]) -> Path:
    config = directory / "etc"
    for name in ("etc", "queue", "data", "mail"):
        (directory / name).mkdir(mode=0o755)
    for name in ("data", "mail"):
        shutil.chown(directory / name, "postfix", "postfix")
    uid = (directory / "mail").stat().st_uid
    main = {
        "compatibility_level": "3.6",
        "queue_directory": f"{directory}/queue",
        "data_directory": f"{directory}/data",
        "command_directory": "/usr/sbin",
        "daemon_directory": str(DAEMONS),
        "mail_owner": "postfix",
        "setgid_group": "postdrop",
        "myhostname": "peer.test",
        "mydestination": "",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "local_recipient_maps": "",
        "maillog_file": "/dev/stdout",
        "virtual_mailbox_base": f"{directory}/mail",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{uid}",
        "virtual_gid_maps": f"static:{uid}",
        "smtp_dns_support_level": "disabled",
        **settings,
    }
    (config / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in main.items()))
    (config / "master.cf").write_text(_MASTER.format(listen=f"127.0.0.1:{port}"))
    return config


def _delivered_at(file: Path) -> int:
    return file.stat().st_mtime_ns
