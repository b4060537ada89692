"""Samples of stacks, sorted by the stage of a message's way that they belong to, weighed by CPU.

A sample belongs to the stage of the innermost frame that is a stage's own:
what many stages use (addresses, headers, the queue's rows, the event log)
counts for the one that called it, and SQL for the store, whoever asked.

How long a thread worked is the kernel's count; its samples only divide that
among stages. A sampler alone takes a thread that waits for a core, or for
the disk, for one that works.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OTHER = "event loop and the rest"
# The first prefix that fits decides, so a part stands before its whole.
_STAGES = {
    "relay/signing/": "sign",
    "relay/dispatch/settle.py": "settle",
    "relay/delivery/": "deliver",
    "aiosmtplib/": "deliver",
    "relay/dispatch/": "dispatch",
    "relay/submission/listener.py": "listener",
    "relay/submission/": "accept",
    "relay/policy/": "accept",
    "relay/smtp_server/": "listener",
    "aiosmtpd/": "listener",
    "relay/store/": "store",
    "relay/webhooks/": "webhooks",
    "inbound/": "reader",
    "api/": "http",
    "relay/telemetry/": "logs and metrics",
    "logging/": "logs and metrics",
}
_FRAME = re.compile(r"^(?P<function>.*) \((?P<file>[^()]*?)(?::\d+)?\)$")
_THREAD = re.compile(r"^thread \((?P<id>\d+)\)(?:: (?P<name>.*))?$")


@dataclass(slots=True)
class Thread:
    """Samples of one thread, by stage and by the innermost function within it."""

    name: str
    samples: Counter[tuple[str, str]] = field(default_factory=Counter)


def read_samples(folded: str) -> dict[int, Thread]:
    """Of py-spy's raw format with --threads, by the kernel's thread id."""
    threads: dict[int, Thread] = {}
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        for at, frame in enumerate(frames):
            if found := _THREAD.match(frame):
                thread = threads.setdefault(int(found["id"]), Thread(found["name"] or "unnamed"))
                own = frames[at + 1 :]
                thread.samples[_stage(own), _short(own[-1]) if own else "?"] += int(count)
                break
    return threads


def stage_table(threads: Mapping[int, Thread], seconds: Mapping[int, float], messages: int) -> str:
    """CPU milliseconds a message and share by stage, and the functions where most of each is."""
    stages = _spent(threads, seconds)
    total = sum(sum(leaves.values()) for leaves in stages.values()) or 1.0
    lines = ["| stage | CPU ms a message | share | most of it in |", "|---|---|---|---|"]
    for stage, leaves in sorted(stages.items(), key=lambda entry: -sum(entry[1].values())):
        cpu = sum(leaves.values())
        busiest = sorted(leaves.items(), key=lambda entry: -entry[1])[:4]
        shown = ", ".join(f"{leaf} {part / total:.1%}" for leaf, part in busiest)
        lines.append(f"| {stage} | {cpu * 1000 / messages:.2f} | {cpu / total:.1%} | {shown} |")
    return "\n".join(lines)


def thread_table(threads: Mapping[int, Thread], seconds: Mapping[int, float], messages: int) -> str:
    """CPU milliseconds a message by thread, as the kernel counted, the busiest first."""
    lines = ["| thread | CPU ms a message |", "|---|---|"]
    for number, cpu in sorted(seconds.items(), key=lambda entry: -entry[1]):
        name = threads[number].name if number in threads else "never seen working"
        if cpu * 1000 / messages >= 0.005:
            lines.append(f"| {name} | {cpu * 1000 / messages:.2f} |")
    return "\n".join(lines)


def _spent(threads: Mapping[int, Thread], seconds: Mapping[int, float]) -> dict[str, dict[str, float]]:
    """Each thread's CPU seconds, divided as its samples are: by stage, then by innermost function."""
    spent: dict[str, dict[str, float]] = {}
    for number, thread in threads.items():
        for (stage, leaf), count in thread.samples.items():
            leaves = spent.setdefault(stage, {})
            part = seconds.get(number, 0.0) * count / thread.samples.total()
            leaves[leaf] = leaves.get(leaf, 0.0) + part
    return spent


def _stage(frames: list[str]) -> str:
    return next(_known(frames), _OTHER)


def _known(frames: list[str]) -> Iterator[str]:
    for frame in reversed(frames):
        file = _file(frame)
        yield from (stage for prefix, stage in _STAGES.items() if file.startswith(prefix))


def _file(frame: str) -> str:
    """Relative to the repository, or to where packages or the standard library are."""
    found = _FRAME.match(frame)
    path = found["file"] if found else ""
    if path.startswith(f"{_ROOT}/") and "site-packages/" not in path:
        return path.removeprefix(f"{_ROOT}/")
    return re.sub(r"^.*/(site-packages|python3\.\d+)/", "", path)


def _short(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found['function']} ({_file(frame)})" if found else frame
