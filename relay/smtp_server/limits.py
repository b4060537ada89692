"""Count what one client may do at once and how often it may fail: connections and logins.

Both count IPv6 by /64. The numbers for failed logins are mox's: ten a minute
and fifty a day.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from relay.address import InvalidAddress, parse_address
from relay.clock import Clock
from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.smtp_server.session import IpAddress, neighbourhood

_DAY = 86400.0
_MINUTE = 60.0


class TooManyFailures(Refusal):
    """Too many failed logins, from this address or for this login; it passes with time."""

    reply = SmtpReply(454, "4.7.0", "Too many failed attempts to log in, try again later")
    code = "rate_limited"


class ConnectionCounter:
    """How many connections each address has open, and all of them together."""

    def __init__(self, limit: int, total: int) -> None:
        self._limit = limit
        self._total = total
        self._open: dict[str, int] = {}
        self._all = 0

    def enter(self, address: IpAddress) -> bool:
        """Count one more, unless that would be beyond a limit; each True needs one `leave`."""
        key = neighbourhood(address)
        count = self._open.get(key, 0)
        if count >= self._limit or self._all >= self._total:
            return False
        self._open[key] = count + 1
        self._all += 1
        return True

    def lacks_room_for(self, address: IpAddress) -> bool:
        """Whether `address` may have one more, and only all of them together are too many."""
        return self._all >= self._total and self._open.get(neighbourhood(address), 0) < self._limit

    def leave(self, address: IpAddress) -> None:
        key = neighbourhood(address)
        self._all -= 1
        left = self._open.pop(key) - 1
        if left:
            self._open[key] = left


@dataclass(slots=True)
class Attempt:
    """One login under way; whoever checks it says whether it was right."""

    is_right: bool = False


class AuthLimits:
    """Failed logins, per address and per login, over the last minute and day.

    Where a login has succeeded from an address within `trusted_for`, only
    its own failures from that address count: strangers who guess at a login
    cannot lock its owner out. Kept in memory, for at most `capacity` keys.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_minute: int = 10,
        per_day: int = 50,
        trusted_for: timedelta = timedelta(days=30),
        capacity: int = 100_000,
    ) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._per_day = per_day
        self._trusted_for = trusted_for.total_seconds()
        self._capacity = capacity
        self._failures: dict[str, deque[float]] = {}
        self._successes: dict[tuple[str, str], float] = {}
        self._undecided: Counter[str] = Counter()
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def attempt(self, address: IpAddress, login: str) -> AsyncIterator[Attempt]:
        """Check one login within this block, and set `is_right` when it is; else it counts as failed.

        Raises TooManyFailures without entering the block. No more are checked
        at once than may still fail, so that fifty connections get no more
        guesses than one; the others wait for their turn and are not refused
        for it. An exception from the block is a fault of ours and counts for
        nothing; a client that hangs up meanwhile has failed.
        """
        keys = await self._turn(address, login)
        self._undecided.update(keys)
        attempt = Attempt()
        try:
            yield attempt
            if not attempt.is_right:
                self._note_failure(keys)
        except asyncio.CancelledError:
            self._note_failure(keys)
            raise
        finally:
            self._undecided = self._undecided - Counter(keys)
            self._wake()
        if attempt.is_right:
            self._successes[neighbourhood(address), _one_spelling(login)] = self._clock.monotonic()
            _forget_oldest(self._successes, self._capacity)

    async def _turn(self, address: IpAddress, login: str) -> tuple[str, ...]:
        """Wait until this attempt may be made; returns what it counts for."""
        while True:
            keys = self._keys(address, login)
            left = {key: self._failures_left(key) for key in keys}
            for key, count in left.items():
                if count <= 0:
                    raise TooManyFailures(f"too many failed logins: {key}")
            if all(self._undecided[key] < count for key, count in left.items()):
                return keys
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _keys(self, address: IpAddress, login: str) -> tuple[str, ...]:
        place, name = neighbourhood(address), _one_spelling(login)
        succeeded_at = self._successes.get((place, name))
        if succeeded_at is not None and self._clock.monotonic() - succeeded_at < self._trusted_for:
            return (f"login {name!r} from {place}",)
        return (f"address {place}", f"login {name!r}")

    def _failures_left(self, key: str) -> int:
        now, times = self._clock.monotonic(), self._failures.get(key, deque())
        while times and now - times[0] >= _DAY:
            times.popleft()
        recent = sum(1 for time in times if now - time < _MINUTE)
        return min(self._per_day - len(times), self._per_minute - recent)

    def _note_failure(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            times = self._failures.pop(key, None) or deque(maxlen=self._per_day)
            times.append(self._clock.monotonic())
            self._failures[key] = times
        _forget_oldest(self._failures, self._capacity)


def _one_spelling(login: str) -> str:
    """The form in which a login is looked up: who writes it differently guesses at the same mailbox."""
    try:
        return parse_address(login).key
    except InvalidAddress:
        return login.lower()


def _forget_oldest(entries: dict[Any, Any], capacity: int) -> None:
    while len(entries) > capacity:
        del entries[next(iter(entries))]
