"""What a round of kills came to: numbers that must be nought, and numbers that must not."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from tests.crash.ledger import Ledger


@dataclass(slots=True)
class Sums:
    """One round. `unexcused` are duplicates that SMTP does not make unavoidable; `held` waited for a person.

    `traced` answers were
    compared with `syncs` of the disk, and `early` ones did not wait for theirs.
    `unreached` names places to which the daemon did not come in time: it was
    killed elsewhere then.
    """

    kills: int = 0
    offered: int = 0
    acknowledged: int = 0
    arrived: int = 0
    lost: int = 0
    corrupt: int = 0
    phantom: int = 0
    duplicates: int = 0
    unexcused: int = 0
    repeated: int = 0
    unlike: int = 0
    held: int = 0
    told: int = 0
    untold: int = 0
    traced: int = 0
    early: int = 0
    syncs: int = 0
    most_in_flight: int = 0
    slowest_start: float = 0.0
    seconds: float = 0.0
    unreached: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was promised was kept."""
        broken = self.lost + self.corrupt + self.phantom + self.unexcused + self.repeated + self.unlike
        return not broken and not self.untold and not self.early and not self.problems

    def take(self, ledger: Ledger) -> None:
        """Add the ledger up."""
        self.offered = len(ledger.offered)
        self.acknowledged = len(ledger.acknowledged())
        self.arrived = sum(len(copies) for copies in ledger.arrivals.values())
        self.lost = len(ledger.missing())
        self.corrupt = len(ledger.corrupt)
        self.phantom = len(ledger.phantoms)
        self.duplicates = sum(ledger.duplicates().values())
        self.unexcused = sum(ledger.unexcused().values())
        self.repeated = len(ledger.repeated())
        self.unlike = len(ledger.unlike())
        self.told = len(ledger.told)

    def add(self, other: Self) -> None:
        """Several rounds together."""
        for name, value in asdict(other).items():
            mine = getattr(self, name)
            most = name in ("most_in_flight", "slowest_start")
            setattr(self, name, max(mine, value) if most else mine + value)

    @classmethod
    def of(cls, record: dict[str, Any]) -> Self:
        """As `asdict` wrote it."""
        return cls(**record)
