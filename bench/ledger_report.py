"""The ledger's rounds as tables in Markdown."""

from collections.abc import Mapping
from pathlib import Path

from bench.peers.machine import describe
from relay.failpoints import POINTS
from tests.crash.kills import STEPS
from tests.crash.sums import Sums

_HEAD = (
    "| where | kills | acknowledged | came out | lost | corrupt | phantom | twice, unavoidable"
    " | twice, avoidable | after its commit | unlike | held | webhooks missing |"
)


def write_report(rounds: Mapping[str, Sums], base: Path) -> str:
    """Kills at random in one line, each place in its own, cuts and trace below; and what was wrong."""
    at_random, cuts, trace, whole = Sums(), Sums(), Sums(), Sums()
    kinds = {"random": at_random, "cuts": cuts, "trace": trace}
    for name, sums in rounds.items():
        whole.add(sums)
        if (kind := kinds.get(name.partition(" ")[0])) is not None:
            kind.add(sums)
    lines = ["# The ledger", "", *describe(base), "", _HEAD, "|---" * 13 + "|"]
    lines.append(_row("at random", at_random))
    lines += [
        _row(f"{STEPS[point]} {point}: {meaning}", rounds[point])
        for point, meaning in POINTS.items()
        if point in rounds
    ]
    lines += [_row("the power is cut", cuts), _row("the power is cut after the trace", trace)]
    lines += [_row("**together**", whole), ""]
    lines.append(
        f"{whole.traced} answers (250 and 201) were traced, {trace.traced} of them in one life:"
        f" {whole.early} left before a sync that covered them ({whole.syncs} syncs)."
    )
    lines.append(
        f"At most {whole.most_in_flight} deliveries had arrived without a committed outcome when a daemon was"
        f" killed; the slowest start to READY after a round took {whole.slowest_start:.1f} s;"
        f" {len(whole.unreached)} kills at a place were made elsewhere, because it was not come to in time."
    )
    wrong = [f"- {name}: {problem}" for name, sums in rounds.items() for problem in sums.problems]
    lines += ["", "Nothing was wrong." if not wrong and whole.is_clean else "What was wrong:", *wrong, ""]
    return "\n".join(lines)


def _row(name: str, sums: Sums) -> str:
    numbers = (
        *(sums.kills, sums.acknowledged, sums.arrived, sums.lost, sums.corrupt, sums.phantom),
        *(
            sums.duplicates - sums.unexcused,
            sums.unexcused,
            sums.repeated,
            sums.unlike,
            sums.held,
            sums.untold,
        ),
    )
    return f"| {name} | " + " | ".join(map(str, numbers)) + " |"
