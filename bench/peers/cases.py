"""Which loads are compared, and what one load has shown."""

from dataclasses import dataclass

SIZES = {"4 KB": 4096, "100 KB": 102400}
SESSIONS = (1, 10, 50, 200)


@dataclass(frozen=True, slots=True)
class Case:
    """One load: `messages` of `size` octets over so many sessions at once."""

    size: str
    sessions: int
    reuse: bool
    messages: int

    @property
    def name(self) -> str:
        manner = "reused" if self.reuse else "1 per connection"
        return f"{self.size}, {self.sessions} session{'s' if self.sessions > 1 else ''}, {manner}"


@dataclass(frozen=True, slots=True)
class Result:
    """Of one load on one server; seconds, messages a second, megabytes.

    `cpu` is CPU seconds for 1,000 messages until the server had nothing left
    to do, `rest` how long that took after the last message had come out, and
    `others` the share of the machine's CPU that neither the server, nor the
    load, nor the sink used: kernel threads and whatever else ran.
    """

    accepted: float
    delivered: float
    cpu: float
    memory: float
    rest: float
    others: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Milliseconds at a light load, the median and the 99th percentile."""

    answer_p50: float
    answer_p99: float
    onward_p50: float
    onward_p99: float
    whole_p50: float
    whole_p99: float


def all_cases(messages: int) -> list[Case]:
    """Every size, number of sessions, and way of connecting; a large message counts for four."""
    return [
        Case(size, sessions, reuse, messages if size == "4 KB" else max(1, messages // 4))
        for size in SIZES
        for sessions in SESSIONS
        for reuse in (False, True)
    ]


def quick_cases(messages: int) -> list[Case]:
    """The two that tell most."""
    return [Case("4 KB", sessions, False, messages) for sessions in (10, 50)]
