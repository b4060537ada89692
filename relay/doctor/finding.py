"""A finding: one line of the doctor's report. Checks run side by side, each within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeAlias


class Grade(StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"  # could not be found out from here; nothing follows from it
    WARNING = "warning"  # works, but not as it should, or not for long
    PROBLEM = "problem"  # mail is refused, waits, or is not believed


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` names the subject, such as `port 25`. `advice` is empty when there is nothing to do."""

    what: str
    grade: Grade
    expected: str
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Check: TypeAlias = Callable[[], Awaitable[Sequence[Finding]]]


async def run_checks(checks: Iterable[tuple[str, Check]], limit: timedelta) -> list[Finding]:
    """The findings of all checks, in their order; no check takes longer than `limit`, or stops another."""
    parts = await asyncio.gather(*(_run(what, check, limit) for what, check in checks))
    return [finding for part in parts for finding in part]


async def _run(what: str, check: Check, limit: timedelta) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await check()
    except TimeoutError:
        seconds = f"{limit.total_seconds():g} s"
        return [Finding(what, Grade.UNKNOWN, "an answer", f"none within {seconds}", "try again")]
    except Exception as error:
        said = f"the check itself failed: {type(error).__name__}: {error}"
        return [Finding(what, Grade.UNKNOWN, "an answer", said, "please report this")]
