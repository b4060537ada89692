"""The children that take mail apart."""

from typing import TYPE_CHECKING, overload

from inbound.reading.extract import Part
from inbound.reading.parsed import Parsed, Separated
from inbound.reading.tasks import ExtractPart, Parse, Result, Separate, Task, VerifySignatures
from relay.children.bench import Bench, BenchClosed
from relay.children.seat import TaskFailed as ReadingFailed

if TYPE_CHECKING:
    from inbound.authenticate.signatures import SignatureCheck, Signatures

__all__ = ["BenchClosed", "ReadingBench", "ReadingFailed"]

MEMORY = 512 * 1024 * 1024
SECONDS = 10.0


class ReadingBench(Bench):
    """A bench of reading children; see `Bench`."""

    def __init__(self, children: int = 1, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        super().__init__(
            "inbound.reading.tasks", "reading child", children=children, memory=memory, seconds=seconds
        )

    @overload
    async def ask(self, task: Parse) -> Parsed: ...
    @overload
    async def ask(self, task: ExtractPart) -> Part: ...
    @overload
    async def ask(self, task: Separate) -> Separated: ...
    @overload
    async def ask(self, task: VerifySignatures) -> "Signatures": ...
    async def ask(self, task: Task) -> "Result":
        """The result of a task. Raises ReadingFailed, BenchClosed, and NotFound for a part that is none."""
        return await self.do(task, _kind(task))

    async def verify(self, check: "SignatureCheck") -> "Signatures":
        """The verdicts on a message's signatures, as a Judge asks for them; raises ReadingFailed."""
        return await self.ask(
            VerifySignatures(check.header, check.body, check.body_file, keys=check.keys, at=check.at)
        )


def _kind(task: Task) -> "type[Result]":
    if isinstance(task, Parse):
        return Parsed
    if isinstance(task, ExtractPart):
        return Part
    if isinstance(task, Separate):
        return Separated
    from inbound.authenticate.signatures import Signatures

    return Signatures
