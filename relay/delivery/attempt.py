"""One attempt at one destination: find the way, try host after host, and say what became of everybody.

What concerns one host is tried at the next one; what concerns the recipient
or the message stands. Nothing here knows a database: a parcel goes in,
outcomes come out, one for each recipient, whatever happens.
"""

import logging
import random
from dataclasses import dataclass

from relay.clock import Clock
from relay.delivery.breaks import SessionBroken, our_reply, puzzled_by
from relay.delivery.classify import classify
from relay.delivery.connection import Connection
from relay.delivery.ledger import Ledger
from relay.delivery.opening import open_connection
from relay.delivery.outcome import Fate, Outcome, Phase, Scope, Verdict
from relay.delivery.parcel import Parcel
from relay.delivery.route import Hop, NoRoute, Route, find_route
from relay.delivery.settings import DeliverySettings
from relay.delivery.trail import Trail
from relay.delivery.transaction import Transaction
from relay.delivery.unsteady import Unsteady
from relay.replies import TEMPORARY_FAULT
from relay.resolver import Resolver

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it.

    `kept` is open for the next message to the same destination, or None;
    whoever gets it closes it.
    """

    outcomes: list[Outcome]
    kept: Connection | None
    trail: tuple[str, ...]


class Deliverer:
    """Makes attempts; holds nothing between them but its settings, and which servers lose step."""

    def __init__(
        self,
        settings: DeliverySettings,
        resolver: Resolver,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._rng = rng or random.Random()
        self._unsteady = Unsteady()

    async def attempt(self, parcel: Parcel, kept: Connection | None = None) -> Attempt:
        """Try to deliver; exactly one outcome for each recipient, and never an exception.

        `kept` is a connection from an earlier attempt at the same destination;
        it is used, or closed, and a dead one is replaced without counting.
        If we are cancelled halfway, connections are closed and nothing is known.
        """
        way = _OneAttempt(parcel, self._settings, self._resolver, self._clock, self._rng, self._unsteady)
        return await way.run(kept)


class _OneAttempt:
    """The attempt under way."""

    def __init__(
        self,
        parcel: Parcel,
        settings: DeliverySettings,
        resolver: Resolver,
        clock: Clock,
        rng: random.Random,
        unsteady: Unsteady,
    ) -> None:
        self._parcel = parcel
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._rng = rng
        self._unsteady = unsteady
        self._trail = Trail()
        self._ledger = Ledger(parcel.recipients, self._trail, settings.limits.temporary_refusals)
        self._connection: Connection | None = None

    async def run(self, kept: Connection | None) -> Attempt:
        try:
            await self._try_everything(kept)
        except Exception:
            # A fault of ours: whoever is not settled waits, nobody bounces.
            _log.exception("attempt of %s at %s failed", self._parcel.message_id, self._parcel.destination)
            self._ledger.note_trouble(Verdict(Fate.DEFERRED, Scope.MESSAGE), TEMPORARY_FAULT, Phase.ROUTE)
        except BaseException:
            self._hang_up()
            raise
        if self._connection is not None and not self._connection.is_reusable:
            await self._leave()
        return Attempt(self._ledger.outcomes(), self._connection, self._trail.lines())

    async def _try_everything(self, kept: Connection | None) -> None:
        if kept is not None:
            await self._use_kept(kept)
        if not self._ledger.open:
            return
        await self._leave()
        try:
            route = await find_route(self._parcel.destination, self._resolver, self._settings, self._rng)
        except NoRoute as none:
            for note in (*none.notes, str(none.reply)):
                self._trail.note(note)
            self._ledger.note_trouble(classify(Phase.ROUTE, none.reply), none.reply, Phase.ROUTE)
            return
        await self._try_hops(route)

    async def _use_kept(self, kept: Connection) -> None:
        """Go on where the last message ended. A connection that died meanwhile is nobody's failure."""
        self._connection, kept.trail = kept, self._trail
        resets = kept.pipelines  # then RSET travels with the rest
        if kept.is_reusable and (resets or await kept.reset()):
            self._trail.note(f"going on with {kept.hop}")
            if await self._transfer(kept, resets=resets):
                return
        self._trail.note(f"the connection kept to {kept.hop} is of no more use")

    async def _try_hops(self, route: Route) -> None:
        for note in route.notes:
            self._trail.note(note)
        deadline = self._clock.monotonic() + self._settings.timeouts.attempt
        for hop in route.hops:
            if not self._ledger.open:
                return
            await self._leave()
            if self._clock.monotonic() > deadline:
                self._trail.note("out of time: the remaining hosts are left for the next attempt")
                self._ledger.note_trouble(_OUT_OF_TIME, our_reply("4.4.7", "out of time"), Phase.CONNECT)
                return
            await self._visit(hop)

    async def _visit(self, hop: Hop) -> None:
        """Try one host; once more, a command at a time, if it lost step with several."""
        connection = await self._open(hop)
        if connection is None:
            return
        await self._transfer(connection)
        if connection.lost_step:
            self._unsteady.add(hop.ip)
            if self._ledger.open:
                await self._leave()
                self._trail.note("once more, a command at a time")
                await self._visit(hop)

    async def _open(self, hop: Hop) -> Connection | None:
        try:
            connection = await open_connection(hop, self._settings, self._clock, self._trail)
        except SessionBroken as broken:
            reply = puzzled_by(broken.reply) if broken.reply.code < 400 else broken.reply
            self._ledger.note_trouble(classify(broken.phase, reply), reply, broken.phase, hop)
            return None
        connection.may_pipeline = hop.ip not in self._unsteady
        self._connection = connection
        return connection

    async def _transfer(self, connection: Connection, *, resets: bool = False) -> bool:
        """Transactions until everybody has had a turn; each further one follows a full one.

        False when the connection had ended before the first could begin.
        """
        recipients = self._ledger.open
        while recipients:
            transaction = Transaction(
                connection, self._parcel, recipients, self._settings.timeouts, resets=resets
            )
            for finding in await transaction.run():
                self._ledger.record(finding, connection)
            if transaction.is_stale:
                return False
            resets = False
            recipients = [finding.recipient for finding in transaction.left_over]
            if recipients and not (connection.is_reusable and await connection.reset()):
                for finding in transaction.left_over:
                    self._ledger.record(finding, connection)
                return True
        return True

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()


_OUT_OF_TIME = Verdict(Fate.DEFERRED, Scope.SESSION)
