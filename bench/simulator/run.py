"""Run a simulation: nodes that live and die, mail that comes in, until all of it is settled."""

import asyncio
import bisect
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.simulator.far import Destination, popularity, world
from bench.simulator.node import Node, recipient
from bench.simulator.store import Store
from bench.simulator.tally import Tally
from bench.simulator.virtual import VirtualClock, run
from relay.clock import span_us, to_us
from relay.config import DeliveryConfig
from relay.config.outward import DestinationLimits

# After that the others have heard of mail that a node took for them (`relay.daemon.chores`).
HEARD_AFTER = 1.0
SETTLED_WITHIN = 8 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be simulated. `hours` is how long mail comes in, `kills` how many nodes die meanwhile.

    `expire_hours` is `delivery.expire_after`: days without mail would only cost time. Without `leases` of
    destinations each node goes its own way, to see what they are for.
    """

    destinations: int = 1000
    nodes: int = 100
    messages: int = 1_000_000
    hours: float = 4.0
    expire_hours: float = 12.0
    kills: int = 20
    seed: int = 1
    leases: bool = True


class Simulation:
    """One run; `result` is its table."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._rng = random.Random(wanted.seed)
        self._clock = VirtualClock()
        self._fars = world(wanted.destinations, wanted.seed, dead_for=wanted.hours * 3600 * 1.5)
        self._world = {far.name: far for far in self._fars}
        self._delivery = _configuration(self._fars, wanted.expire_hours)
        self._tally = Tally(self._world, self._clock, span_us(self._delivery.expire_after))
        self._store = Store(self._tally.end)
        self._nodes: dict[str, Node] = {}
        self._woken: set[str] = set()

    async def result(self) -> dict[str, Any]:
        for number in range(self._wanted.nodes):
            self._bear(f"node{number:03}")
        fate = asyncio.create_task(self._kill_some())
        await self._feed()
        await fate
        while self._store.rows and asyncio.get_running_loop().time() < SETTLED_WITHIN:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(60)
        table = self._tally.result(self._fars, len(self._store.rows), self._store.fenced)
        for node in self._nodes.values():
            await node.stop()
        return {**table, "simulated hours": round(asyncio.get_running_loop().time() / 3600, 1)}

    def _bear(self, name: str) -> None:
        self._nodes[name] = Node(
            name,
            store=self._store,
            clock=self._clock,
            delivery=self._delivery,
            world=self._world,
            tally=self._tally,
            rng=random.Random(f"{self._wanted.seed} {name} {len(self._store.rows)}"),
            alive=lambda: list(self._nodes),
            leases=self._wanted.leases,
        )

    async def _feed(self) -> None:
        """Mail comes evenly, at whatever node, for destinations as they are popular."""
        wanted, loop = self._wanted, asyncio.get_running_loop()
        weights = popularity(self._fars, wanted.messages, wanted.hours * 3600)
        began, every = loop.time(), wanted.hours * 3600 / wanted.messages
        for number in range(wanted.messages):
            if (ahead := began + number * every - loop.time()) > 0.05:
                await asyncio.sleep(ahead)
            place = bisect.bisect(weights, self._rng.random() * weights[-1])
            self._accept(number, self._fars[min(place, len(weights) - 1)].name)

    def _accept(self, number: int, destination: str) -> None:
        row = recipient(number, destination, to_us(self._clock.now()), self._delivery)
        self._tally.accept(row)
        node = self._rng.choice(list(self._nodes.values()))
        if node.accept(row):
            self._tell(destination)

    def _tell(self, destination: str) -> None:
        """The log has grown: who serves it looks within a second, or all do, if nobody serves it."""
        holder, _ = self._store.sites.get(destination, ("", 0))
        for name in [holder] if holder else list(self._nodes):
            if name in self._nodes and name not in self._woken:
                self._woken.add(name)
                asyncio.get_running_loop().call_later(HEARD_AFTER, self._wake, name)

    def _wake(self, name: str) -> None:
        self._woken.discard(name)
        if name in self._nodes:
            self._nodes[name].dispatcher.wake()

    async def _kill_some(self) -> None:
        """One node after the other dies hard; each second one starts again after a minute."""
        wanted = self._wanted
        for number in range(wanted.kills):
            await asyncio.sleep(wanted.hours * 3600 / (wanted.kills + 1))
            if len(self._nodes) == 1:
                return
            name = self._rng.choice(list(self._nodes))
            await self._nodes.pop(name).kill()
            if number % 2 == 0:
                asyncio.get_running_loop().call_later(60, self._bear, name)


def _configuration(fars: list[Destination], expire_hours: float) -> DeliveryConfig:
    """The defaults, and the limits that destinations have told us."""
    usual = DeliveryConfig()
    return DeliveryConfig(
        expire_after=timedelta(hours=expire_hours),
        destinations={
            far.name: DestinationLimits(connections=far.connections, messages_per_minute=far.per_minute)
            for far in fars
            if far.per_minute or far.connections != usual.max_connections_per_destination
        },
    )


def simulate(wanted: Wanted) -> dict[str, Any]:
    """The table of one run, the same for the same seed."""
    return run(Simulation(wanted).result())
