"""A PostgreSQL server of our own: Debian's, on a socket in a directory of its own, for one test session.

Nothing here survives a crash (fsync is off): tests that need that say so. The
databases that tests are lent are those of `postgres_stores`.
"""

import asyncio
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg

NEEDED = "PostgreSQL's server is not installed (Debian: postgresql)"
_PORT = 5432  # names the socket alone: nothing listens on the network
_numbers = itertools.count(1)
_SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=200",
    "autovacuum=off",
    "max_wal_size=256MB",
    "log_min_messages=fatal",
)


def programs() -> Path | None:
    """Where the newest installed server's programs are."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3].partition(".")[0]),
    )
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def version() -> str:
    """What the installed server says of itself; it must be there."""
    bin_ = programs()
    assert bin_ is not None, NEEDED
    said = subprocess.run([bin_ / "postgres", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


class PostgresServer:
    """One server; `url` says how to reach a database on it."""

    def __init__(self, bin_: Path, directory: Path, settings: Sequence[str] = ()) -> None:
        self._bin = bin_
        self._directory = directory
        self._settings = (*_SETTINGS, *settings)
        # The server refuses to be root's.
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._is_running = False
        self._guard: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(directory, self._user.pw_uid, self._user.pw_gid)
        self._run("initdb", "-D", "data", "-U", "posthouse", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        self.start()

    def url(self, database: str) -> str:
        """The address of a database, as `store.url` has it."""
        return f"postgresql://posthouse@/{database}?host={self._directory}&port={_PORT}"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._directory / f".s.PGSQL.{_PORT}"

    @property
    def pid(self) -> int:
        """The process whose children are all others of the server."""
        return int((self._directory / "data" / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start it and return when it answers."""
        options = " ".join(f"-c {setting}" for setting in self._settings)
        where = f"-k {self._directory} -p {_PORT} {options}"
        self._run("pg_ctl", "start", "-D", "data", "-w", "-s", "-l", "log", "-o", where)
        self._is_running = True
        self._guard = self._set_guard()

    def stop(self, *, immediately: bool = False) -> None:
        """End it: sessions are broken off; or everything at once, as in a crash."""
        if self._is_running:
            self._is_running = False
            self._run(
                "pg_ctl", "stop", "-D", "data", "-w", "-s", "-m", "immediate" if immediately else "fast"
            )
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def empty_database(self, options: str = "") -> str:
        """The address of a database in which nothing is."""
        name = f"test{next(_numbers)}"
        self.sql(f"create database {name} {options}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = url.partition("@/")[2].partition("?")[0]
        self.sql(f"drop database if exists {name} with (force)")

    def sql(self, statement: str) -> None:
        """Have it done, beside any store."""

        async def run() -> None:
            connection = await asyncpg.connect(self.url("postgres"))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def _set_guard(self) -> subprocess.Popen[bytes]:
        """Somebody who ends the server when this process is killed: then the pipe to it is closed."""
        script = f"read -r _; exec {self._bin / 'pg_ctl'} stop -D data -s -m immediate"
        return self._start(["sh", "-c", script], stdin=subprocess.PIPE)

    def _run(self, program: str, *arguments: str) -> None:
        assert self._try(program, *arguments), f"{program} failed"

    def _try(self, program: str, *arguments: str) -> bool:
        return self._start([self._bin / program, *arguments]).wait() == 0

    def _start(self, command: Sequence[str | Path], stdin: int | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self._directory,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def running_server(*settings: str) -> Iterator[PostgresServer]:
    """A server for the length of the block. Its directory's path is short: a socket's may have 107 octets."""
    bin_ = programs()
    assert bin_ is not None, NEEDED
    directory = Path(tempfile.mkdtemp(prefix="ph-pg-", dir="/tmp"))
    try:
        server = PostgresServer(bin_, directory, settings)
        try:
            yield server
        finally:
            server.stop(immediately=True)
    finally:
        shutil.rmtree(directory)
