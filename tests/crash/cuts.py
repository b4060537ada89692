"""Power cuts: the daemon below strace, killed under load, its data directory as a disk might leave it."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from relay.clock import SystemClock
from tests.crash.disk import Disk
from tests.crash.recorder import Recorder
from tests.crash.round import MANY_LARGE, Round, tell, under_load
from tests.crash.sums import Sums
from tests.crash.syscalls import Traced
from tests.fakes.daemon import ROOT, MakeDaemon
from tests.fakes.dns_server import FakeDns

CLOCK = SystemClock()
NO_SYNC = ("fsync", "fdatasync")


async def cut_power(
    under: Round,
    answers: int,
    rng: random.Random,
    *,
    survive: float = 0.0,
    pretended: Sequence[str] = (),
) -> None:
    """One life that ends with a power cut after so many answers.

    Of what was not synced each write survives with that likelihood.
    `pretended` calls come back well and do nothing.
    """
    data = under.daemon.config.server.data_dir
    recorder = Recorder(Disk(data))
    with Traced(under.daemon.directory, recorder.see, pretended=pretended) as traced:
        under.generator.grant(10 * answers)
        under.daemon.launch(wrapper=traced.command)
        while len(recorder.answered) < answers:
            await under.ledger.after(5)
        await under.daemon.kill()
    shutil.rmtree(data)
    recorder.disk.cut_power(data, rng, survive)
    await under.look_at_the_dead()
    under.sums.traced += len(recorder.answered)
    under.sums.syncs += recorder.syncs
    under.sums.early += len(recorder.premature)
    under.sums.problems += recorder.premature[:20]


async def run_cuts(
    make_daemon: MakeDaemon,
    dns: FakeDns,
    directory: Path,
    answers: Sequence[int],
    seed: int,
    *,
    pretended: Sequence[str] = (),
    patience: float | None = None,
    cut: Callable[[], None] = lambda: None,
) -> Sums:
    """A cut after each of so many answers, on one store, then a whole life.

    In turn nothing that was not synced is left, and some of it, as chance will
    have it. `patience` is how many seconds the last life has.
    """
    began, rng = CLOCK.monotonic(), random.Random(seed)
    async with under_load(make_daemon, dns, directory, rng, large=MANY_LARGE) as under:
        if patience is not None:
            under.patience = patience
        for number, count in enumerate(answers):
            survive = rng.random() if number % 2 else 0.0
            await cut_power(under, count, rng, survive=survive, pretended=pretended)
            cut()
        sums = await under.finish()
    sums.seconds = CLOCK.monotonic() - began
    tell(repr(sums))
    return sums


def left_by(program: str, data: Path, directory: Path) -> dict[str, bytes]:
    """What stands in `data` when the power goes right after this Python program."""
    recorder = Recorder(Disk(data))
    with Traced(directory, recorder.see) as tracing:
        command = [*tracing.command, sys.executable, "-c", f"import os\nos.chdir({str(data)!r})\n{program}"]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    target = directory / "left"
    recorder.disk.cut_power(target, random.Random(1), 0.0)
    return {str(file.relative_to(target)): file.read_bytes() for file in target.rglob("*") if file.is_file()}
