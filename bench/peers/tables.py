"""The tables of a run, in Markdown, to be read as printed."""

import statistics
from collections.abc import Sequence

from bench.peers.cases import Case, Result
from bench.peers.figures import Figures

_HEAD = (
    *("load", "server", "accepted/s", "delivered/s", "Posthouse delivers", "CPU s per 1,000"),
    *("Posthouse's CPU", "peak MB", "at rest after", "other CPU"),
)
_DELAYS = ("server", "end of DATA to 250", "250 to the sink", "end of DATA to the sink")
EXPLAINED = """\
Rates are messages a second from the first connection: until the last 250, and until the sink has counted
the last message. CPU is user and system time of all the server's processes until it had nothing left to do,
which was so long after the last arrival as "at rest after" says. Memory is the largest sum of PSS. "Other
CPU" is what neither the server nor the load nor the sink used, threads of the kernel included, as a share of
all cores: where it is high, the machine was not quiet. Figures are medians of the rounds. A ratio is
Posthouse's figure divided by the peer's, the median of the rounds, each of which stands behind it in
brackets: above 1 it delivers faster, and below 1 it costs less CPU."""


def load_table(figures: Figures) -> str:
    """A row for each load and server, Posthouse's ratio to each peer beside the peer."""
    rows = [_row(figures, case, server) for case in figures.loads for server in figures.servers]
    return _table(_HEAD, rows)


def delay_table(figures: Figures) -> str:
    """Milliseconds at the light load."""
    rows = []
    for server in figures.servers:
        if delay := figures.middle_delay(server):
            pairs = (
                (delay.answer_p50, delay.answer_p99),
                (delay.onward_p50, delay.onward_p99),
                (delay.whole_p50, delay.whole_p99),
            )
            rows.append([server, *(f"{middle:.1f} / {end:.1f}" for middle, end in pairs)])
    return _table(_DELAYS, rows)


def _row(figures: Figures, case: Case, server: str) -> list[str]:
    def shown(value: float | None, form: str = ".0f") -> str:
        return "failed" if value is None else format(value, form)

    rest = figures.middle(case, server, lambda one: one.rest)
    others = figures.middle(case, server, lambda one: one.others)
    return [
        case.name,
        server,
        shown(figures.middle(case, server, lambda one: one.accepted)),
        shown(figures.middle(case, server, _delivered)),
        _against(figures.ratios(case, figures.servers[0], server, _delivered), server, figures),
        shown(figures.middle(case, server, _cpu), ".2f"),
        _against(figures.ratios(case, figures.servers[0], server, _cpu), server, figures),
        shown(figures.middle(case, server, lambda one: one.memory)),
        "failed" if rest is None else f"{rest:.1f} s",
        "failed" if others is None else f"{others:.0%}",
    ]


def _delivered(result: Result) -> float:
    return result.delivered


def _cpu(result: Result) -> float:
    return result.cpu


def _against(ratios: list[float], server: str, figures: Figures) -> str:
    if server == figures.servers[0] or not ratios:
        return ""
    rounds = f" ({', '.join(f'{ratio:.2f}' for ratio in ratios)})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f} ×{rounds}"


def _table(head: Sequence[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
