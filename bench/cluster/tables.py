"""The table of a run, in Markdown, to be read as printed."""

import statistics
from collections.abc import Callable, Sequence

from bench.cluster.rates import Result
from bench.cluster.trial import CAP, Verdict

_HEAD = (
    *("nodes", "accepted/s", "delivered/s", "to one node", "statements a message", "database ms a message"),
    *("log KB a message", "store KB a message", "nodes: CPU s per 1,000", "PostgreSQL: CPU s per 1,000"),
    *("nodes: peak MB", "PostgreSQL: peak MB", "rolled back", "load average"),
)
EXPLAINED = """\
Rates are messages a second from the first connection: until the last 250, and until the sink has taken the
last message. "To one node" divides what is delivered a second by that of one node in the same round.
Statements and their milliseconds are the server's own count (pg_stat_statements) of everything that ran on
the store until every outcome and every letter of the sent mail was written, "begin" and "commit" among them.
The log is what PostgreSQL wrote ahead (WAL), the store what its database grew by. CPU is user and system time
of the same span, memory the largest sum of PSS. Figures are medians of the rounds. Load, sink, nodes and
PostgreSQL share the cores."""
_FAULT_HEAD = (
    *("fault", "times", "acknowledged", "lost", "corrupt", "phantom", "duplicates", "of at most"),
    *(f"accepted under a cap of {CAP}", "settled after", ""),
)
FAULTS_EXPLAINED = """\
Acknowledged are the messages of which the client read 250 while the fault came again and again. At most those
recipients may come twice that the nodes which were hit could have in transfer, each time. One mailbox with a
cap is offered more than it may send, on all nodes at once. "Settled" counts from the end of the load until
nothing waited any more. A phantom is a message, or a recipient, that nobody handed in."""


def fault_table(verdicts: Sequence[Verdict]) -> str:
    """A line for each fault."""
    rows = [
        [
            verdict.name,
            *(str(number) for number in (verdict.happened, verdict.acknowledged, verdict.lost)),
            *(
                str(number)
                for number in (verdict.corrupt, verdict.phantom, verdict.duplicates, verdict.at_risk)
            ),
            str(verdict.cap_accepted),
            f"{verdict.settled_after:.0f} s",
            "ok" if verdict.is_good else "WRONG " + "; ".join(verdict.trouble),
        ]
        for verdict in verdicts
    ]
    lines = [_FAULT_HEAD, ["---"] * len(_FAULT_HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rate_table(rounds: Sequence[dict[int, Result]]) -> str:
    """A row for each number of nodes."""
    rows = [_row(rounds, count) for count in rounds[0]]
    lines = [_HEAD, ["---"] * len(_HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def dearest_table(result: Result) -> str:
    """Which statements took most of the server's time."""
    lines = ["| calls a message | ms a message | statement |", "|---|---|---|"]
    for text, calls, milliseconds in result.dearest:
        shown = " ".join(text.split())[:150].replace("|", "\\|")
        lines.append(f"| {calls / result.messages:.2f} | {milliseconds / result.messages:.3f} | `{shown}` |")
    return "\n".join(lines) + "\n"


def _row(rounds: Sequence[dict[int, Result]], count: int) -> list[str]:
    def middle(of: Callable[[Result], float]) -> float:
        return statistics.median(of(found[count]) for found in rounds)

    def a_message(of: Callable[[Result], float]) -> float:
        return middle(lambda result: of(result) / result.messages)

    ratios = [found[count].delivered / found[min(found)].delivered for found in rounds]
    return [
        str(count),
        f"{middle(lambda it: it.accepted):.0f}",
        f"{middle(lambda it: it.delivered):.0f}",
        f"{statistics.median(ratios):.2f} ×",
        f"{a_message(lambda it: it.statements):.1f}",
        f"{a_message(lambda it: it.database_ms):.2f}",
        f"{a_message(lambda it: it.log_octets) / 1000:.1f}",
        f"{a_message(lambda it: it.store_octets) / 1000:.1f}",
        f"{a_message(lambda it: it.node_cpu) * 1000:.2f}",
        f"{a_message(lambda it: it.server_cpu) * 1000:.2f}",
        f"{middle(lambda it: it.node_mb):.0f}",
        f"{middle(lambda it: it.server_mb):.0f}",
        f"{middle(lambda it: it.rolled_back):.0f}",
        f"{middle(lambda it: it.load_average):.1f}",
    ]
