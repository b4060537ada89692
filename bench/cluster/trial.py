"""One fault under load: what was answered 250 must come out once, and the cap must hold."""

import asyncio
from dataclasses import dataclass, field
from itertools import cycle

from bench.cluster.faults import Fault
from bench.cluster.scene import Scene
from relay.clock import SystemClock
from tests.crash.clients import NotNow, PutOff, SmtpClient
from tests.crash.ledger import Letter
from tests.crash.load import Generator
from tests.fakes.daemon import OURS, Daemon

CLOCK = SystemClock()
CLIENTS = 3  # of each node
CAP = 60
CAPPED_CLIENTS = 4
DRAIN_SECONDS = 180
SITES = {"one.test": 3, "two.test": 1, "three.test": 1}
_WAITING = (
    "select count(*) as waiting from recipients where state in ('queued', 'leased', 'deferred', 'scheduled')"
)
_OF_MAILBOX = (
    "select count(*) as accepted,"
    " (select coalesce(sum(used), 0) from allowances where mailbox_id = m.id) as used"
    " from mailboxes m join recipients r on r.mailbox_id = m.id where m.address = $1 group by m.id"
)


@dataclass(slots=True)
class Verdict:
    """What one fault cost."""

    name: str
    happened: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0
    phantom: int = 0
    duplicates: int = 0
    # Recipients that may have been in transfer by whoever was hit: so many may come twice.
    at_risk: int = 0
    cap_accepted: int = 0
    cap_used: int = 0
    settled_after: float = 0.0
    trouble: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        sums = self.lost or self.corrupt or self.phantom or self.trouble
        return not sums and self.duplicates <= self.at_risk and self.cap_accepted == self.cap_used == CAP


async def stand(scene: Scene, fault: Fault, number: int, seconds: float) -> Verdict:
    """Load, the fault again and again, then silence until everything is settled; and the sums."""
    verdict, ledger = Verdict(fault.name), scene.ledger
    before = (len(ledger.acknowledged()), sum(ledger.duplicates().values()))
    wrong = (len(ledger.corrupt) + len(ledger.unlike()), len(ledger.phantoms))
    generators = [
        Generator(
            node,
            ledger,
            scene.rng,
            SITES,
            clients={"smtp": CLIENTS},
            name=f"f{number}n{place}x",
            rest=0.1,
            unbounded=True,
        )
        for place, node in enumerate(scene.nodes)
    ]
    capped = f"cap{number}@{OURS}"
    password = await scene.nodes[0].add_mailbox(capped, daily_cap=CAP)
    load = [asyncio.create_task(one.run()) for one in generators]
    of_cap = asyncio.create_task(_fill_cap(scene, capped, password, number))
    await ledger.after(100)
    await _again_and_again(scene, fault, seconds, verdict)
    for one in generators:
        one.stop()
    await asyncio.gather(*load)
    await of_cap
    ended = CLOCK.monotonic()
    await _settle(scene, verdict)
    verdict.settled_after = CLOCK.monotonic() - ended
    verdict.acknowledged = len(ledger.acknowledged()) - before[0]
    verdict.duplicates = sum(ledger.duplicates().values()) - before[1]
    verdict.lost = len(ledger.missing())
    verdict.corrupt = len(ledger.corrupt) + len(ledger.unlike()) - wrong[0]
    verdict.phantom = len(ledger.phantoms) - wrong[1]
    (row,) = await scene.ask(_OF_MAILBOX, capped)
    verdict.cap_accepted, verdict.cap_used = row["accepted"], int(row["used"])
    return verdict


async def _again_and_again(scene: Scene, fault: Fault, seconds: float, verdict: Verdict) -> None:
    until = CLOCK.monotonic() + seconds
    while True:
        verdict.at_risk += await fault.happen(scene)
        verdict.happened += 1
        if (left := until - CLOCK.monotonic()) <= fault.every:
            await asyncio.sleep(max(0.0, min(left, fault.every)))
            return
        await asyncio.sleep(fault.every)


async def _settle(scene: Scene, verdict: Verdict) -> None:
    """Until nothing waits and nothing is missing, or until it is certain that it never comes."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while await _is_waiting(scene):  # noqa: ASYNC110 - for other processes
                await asyncio.sleep(0.2)
    except TimeoutError:
        rows = await scene.ask("select state, reason, count(*) from recipients group by 1, 2 order by 1, 2")
        verdict.trouble.append(f"not settled after {DRAIN_SECONDS} s: {[tuple(row) for row in rows]}")


async def _is_waiting(scene: Scene) -> bool:
    return bool((await scene.ask(_WAITING))[0]["waiting"] or scene.ledger.missing())


async def _fill_cap(scene: Scene, address: str, password: str, number: int) -> None:
    """Clients of one mailbox on all nodes, each until it hears that the day's allowance is used up."""
    nodes = cycle(scene.nodes)
    await asyncio.gather(
        *(
            _until_refused(scene, address, password, f"f{number}c{place}x", nodes)
            for place in range(CAPPED_CLIENTS)
        )
    )


async def _until_refused(
    scene: Scene, address: str, password: str, name: str, nodes: "cycle[Daemon]"
) -> None:
    count, letter = 0, None
    while True:
        if letter is None:
            count, letter = count + 1, _letter(scene, address, f"{name}{count:04}")
        try:
            async with asyncio.timeout(20):
                session = await SmtpClient.submission(
                    next(nodes).ports["submission"], password, login=address, sender=address, takes_4xx=True
                )
                try:
                    await session.send(letter)
                finally:
                    session.close()
        except PutOff as said:
            if b" 4.7.1 " in said.args[0]:
                return
        except (OSError, EOFError, NotNow, TimeoutError):
            pass
        else:
            scene.ledger.acknowledge(letter)
            letter = None
        await asyncio.sleep(0.1)


def _letter(scene: Scene, address: str, number: str) -> Letter:
    to = f"r{number}@one.test"
    header = (
        f"From: <{address}>\r\nTo: {to}\r\nSubject: {number}\r\n"
        f"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <{number}@load.test>\r\n\r\n"
    )
    letter = Letter(number, (to,), f"{header}A letter under a cap.\r\n".encode())
    scene.ledger.offer(letter)
    return letter
