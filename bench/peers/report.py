"""What a run says: the machine, how each server was set up, the tables; and the page that keeps it."""

from dataclasses import dataclass, field
from pathlib import Path

from bench.peers import picture, tables
from bench.peers.figures import Figures
from bench.peers.steady import A_SECOND

DOCS = Path(__file__).parents[2] / "docs"
_TITLE = "## Figures of one run\n"


@dataclass(slots=True)
class Report:
    """Filled while the run goes on; `text` is Markdown."""

    command: str
    machine: list[str]
    figures: Figures
    tunings: dict[str, list[str]] = field(default_factory=dict)
    signatures: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def preface(self) -> str:
        """What is known before the first load."""
        servers = [f"- {name}: {'; '.join(tuning)}" for name, tuning in self.tunings.items()]
        skipped = [f"- skipped: {name}, {why}" for name, why in self.skipped.items()]
        machine = [f"- {line}" for line in self.machine]
        raised = (
            "Settings. Posthouse's limits per address and its mailbox's cap are raised for the load alone:"
        )
        return "\n".join([*machine, "", raised, "", *servers, *skipped, ""])

    def text(self) -> str:
        """All of it."""
        failures = [f"- failed: {line}" for line in self.figures.failures]
        signatures = [f"- {name}: {found}" for name, found in self.signatures.items()]
        parts = [
            f"`{self.command}`; rounds: {self.figures.rounds()}, the servers in turn.",
            self.preface(),
            "Signatures, judged before the first load by dkimpy:\n\n" + "\n".join(signatures),
            tables.load_table(self.figures),
            tables.EXPLAINED,
            *(["\n".join(failures)] if failures else []),
        ]
        if self.figures.delays:
            light = f"At {A_SECOND} messages of 4 KB a second, milliseconds, p50 / p99:"
            parts += [light, tables.delay_table(self.figures)]
        return "\n\n".join(part.strip() for part in parts) + "\n"

    def write(self) -> list[Path]:
        """Draw the picture, and end docs/performance.md with the text instead of an earlier run's."""
        page, image = DOCS / "performance.md", DOCS / "performance.svg"
        image.write_text(picture.draw(self.figures))
        before = page.read_text().partition(_TITLE)[0].rstrip()
        alt = "Messages delivered a second and CPU for 1,000 messages"
        page.write_text(f"{before}\n\n{_TITLE}\n![{alt}]({image.name})\n\n{self.text()}")
        return [page, image]
