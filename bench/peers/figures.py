"""What a run has found, round by round, and how one server stands to another."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.peers.cases import Case, Delay, Result

Read = Callable[[Result], float]


@dataclass(slots=True)
class Figures:
    """Results by server and round; a load that failed has a reason instead."""

    servers: list[str]
    loads: dict[Case, dict[str, dict[int, Result]]] = field(default_factory=dict)
    delays: dict[str, dict[int, Delay]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, case: Case, server: str, number: int, result: Result) -> None:
        self.loads.setdefault(case, {}).setdefault(server, {})[number] = result

    def add_delay(self, server: str, number: int, delay: Delay) -> None:
        self.delays.setdefault(server, {})[number] = delay

    def middle(self, case: Case, server: str, read: Read) -> float | None:
        """The median of the rounds; None when no round came to its end."""
        found = [read(result) for result in self.loads.get(case, {}).get(server, {}).values()]
        return statistics.median(found) if found else None

    def ratios(self, case: Case, above: str, below: str, read: Read) -> list[float]:
        """One ratio for each round that both finished, in the order of the rounds."""
        servers = self.loads.get(case, {})
        ours, theirs = servers.get(above, {}), servers.get(below, {})
        both = sorted(set(ours) & set(theirs))
        return [read(ours[number]) / read(theirs[number]) for number in both if read(theirs[number])]

    def middle_delay(self, server: str) -> Delay | None:
        """The median of the rounds, number by number."""
        rounds = list(self.delays.get(server, {}).values())
        if not rounds:
            return None
        names = Delay.__slots__
        return Delay(*(statistics.median(getattr(one, name) for one in rounds) for name in names))

    def rounds(self) -> int:
        """How many there were at most."""
        done = [results for servers in self.loads.values() for results in servers.values()]
        return max((len(results) for results in done), default=0)
