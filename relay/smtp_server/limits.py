"""Count what one client may do at once and how often it may fail: connections and logins.

Both count IPv6 by /64. The numbers for failed logins are mox's: ten a minute
and fifty a day.
"""

from collections import deque
from datetime import timedelta

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

    def leave(self, address: IpAddress) -> None:
        key = neighbourhood(address)
        self._all -= 1
        left = self._open.pop(key) - 1
        if left:
            self._open[key] = left


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

    def attempt(self, address: IpAddress, login: str) -> None:
        """Count an attempt as failed, before it is tried; raises TooManyFailures.

        Counting first, so that fifty connections at once get no more guesses than one.
        """
        now = self._clock.monotonic()
        keys = self._keys(address, login)
        for key in keys:
            if self._is_exhausted(key, now):
                raise TooManyFailures(f"too many failed logins: {key}")
        for key in keys:
            times = self._failures.pop(key, None) or deque(maxlen=self._per_day)
            times.append(now)
            self._failures[key] = times
        self._forget_oldest()

    def forgive(self, address: IpAddress, login: str) -> None:
        """The attempt was not a failure of the client's."""
        for key in self._keys(address, login):
            if times := self._failures.get(key):
                times.pop()

    def succeeded(self, address: IpAddress, login: str) -> None:
        """The attempt was right."""
        self.forgive(address, login)
        self._successes[neighbourhood(address), login.lower()] = self._clock.monotonic()
        self._forget_oldest()

    def _keys(self, address: IpAddress, login: str) -> tuple[str, ...]:
        place, name = neighbourhood(address), login.lower()
        succeeded_at = self._successes.get((place, name))
        if succeeded_at is not None and self._clock.monotonic() - succeeded_at < self._trusted_for:
            return (f"login {name!r} from {place}",)
        return (f"address {place}", f"login {name!r}")

    def _is_exhausted(self, key: str, now: float) -> bool:
        times = self._failures.get(key)
        if not times:
            return False
        while times and now - times[0] >= _DAY:
            times.popleft()
        recent = sum(1 for time in times if now - time < _MINUTE)
        return len(times) >= self._per_day or recent >= self._per_minute

    def _forget_oldest(self) -> None:
        while len(self._failures) > self._capacity:
            del self._failures[next(iter(self._failures))]
        while len(self._successes) > self._capacity:
            del self._successes[next(iter(self._successes))]
