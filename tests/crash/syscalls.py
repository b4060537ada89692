"""The system calls of a daemon and its children, as strace tells them while they happen.

    with Traced(wanted, see) as traced:
        daemon.launch(wrapper=traced.command)     # `see` is called for each, from a thread

A call is seen twice: when it is entered and when it has come back. strace
holds each thread at both, so what stands first in its record was first:
an octet whose sending is entered after an fsync came back left after it.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

NEEDED: Final = "strace may not trace here, or is not installed: apt-get install strace"

WRITING: Final = (
    "openat,creat,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,lseek,fsync,fdatasync,"
    "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,sendto,sendmsg,sendmmsg"
)
# Longer than anything that is written at once.
_LONGEST = 4_000_000

_LINE = re.compile(rb"(\d+) +(.*)", re.DOTALL)
_RESUMED = re.compile(rb"<\.\.\. (\w+) resumed>")
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+|\?)(.*)", re.DOTALL)
_BEGUN = re.compile(rb"(\w+)\((.*)", re.DOTALL)
_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(rb"(\d+)<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call. `result` is None when it is entered; `is_pretended`: it came back unmade."""

    name: str
    arguments: bytes
    result: int | None = None
    answer: bytes = b""

    @property
    def is_pretended(self) -> bool:
        return b"(INJECTED)" in self.answer

    @property
    def descriptor(self) -> tuple[int, str]:
        """The first argument: its number, and what is open there ("/path", "socket:[1]")."""
        found = _DESCRIPTOR.match(self.arguments)
        return (int(found[1]), _plain(found[2]).decode()) if found else (-1, "")

    @property
    def opened(self) -> tuple[int, str]:
        """What `openat` came back with."""
        found = _DESCRIPTOR.match(str(self.result).encode() + self.answer)
        return (int(found[1]), _plain(found[2]).decode()) if found else (-1, "")

    @property
    def octets(self) -> bytes:
        """All that is handed over in strings: what is written, or the path."""
        return b"".join(self._strings())

    @property
    def paths(self) -> list[Path]:
        return [Path(os.fsdecode(each)).absolute() for each in self._strings()]

    @property
    def numbers(self) -> list[int]:
        """The plain numbers behind the last string or descriptor."""
        rest = self.arguments.rpartition(b'"')[2] if b'"' in self.arguments else self.arguments
        return [int(word) for word in re.findall(rb"(?<=, )-?\d+", rest)]

    def _strings(self) -> list[bytes]:
        found = _STRING.findall(self.arguments)
        assert not any(cut for _, cut in found), "strace cut a string short"
        return [_plain(text) for text, _ in found]


class Traced:
    """Runs a command below strace and hears what it does until it has ended."""

    def __init__(
        self, directory: Path, see: Callable[[Call], None], *, pretended: Sequence[str] = ()
    ) -> None:
        """`pretended` are calls that are answered with success and not made."""
        self._pipe = directory / "calls"
        self._see = see
        self._pretended = pretended
        self._entered: dict[bytes, bytes] = {}
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._listen, name="strace", daemon=True)

    @property
    def command(self) -> list[str]:
        """What stands before the command, which keeps its process id and its parent."""
        inject = [f"-einject={','.join(self._pretended)}:retval=0"] if self._pretended else []
        return [
            *("strace", "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(_LONGEST), "-esignal=none"),
            *(f"-etrace={WRITING}", *inject, "-o", str(self._pipe)),
        ]

    def __enter__(self) -> "Traced":
        os.mkfifo(self._pipe)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Returns when the last call has been heard."""
        if kind is None:
            self._thread.join(60)
            assert not self._thread.is_alive(), "strace has not ended"
        self._pipe.unlink()
        if self._trouble is not None:
            raise self._trouble

    def _listen(self) -> None:
        try:
            with self._pipe.open("rb", buffering=1 << 20) as lines:
                for line in lines:
                    self._hear(line.rstrip(b"\n"))
        except BaseException as error:
            self._trouble = error

    def _hear(self, line: bytes) -> None:
        found = _LINE.match(line)
        if found is None:
            return
        thread, text = found[1], found[2]
        if text.endswith(b" <unfinished ...>"):
            begun = text.removesuffix(b" <unfinished ...>")
            self._entered[thread] = begun
            self._enter(begun)
            return
        if resumed := _RESUMED.match(text):
            begun = self._entered.pop(thread, b"")
            self._come_back(begun + text[resumed.end() :])
            return
        self._enter(text)
        self._come_back(text)

    def _enter(self, text: bytes) -> None:
        if begun := _BEGUN.match(text):
            self._see(Call(begun[1].decode(), begun[2]))

    def _come_back(self, text: bytes) -> None:
        if (call := _CALL.match(text)) and call[3] != b"?":
            self._see(Call(call[1].decode(), call[2], int(call[3]), call[4]))


def may_trace() -> bool:
    """Whether strace is here, and is let do what we need."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "--seccomp-bpf", "-e", "trace=fsync", "-o", "/dev/null", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _plain(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode())
