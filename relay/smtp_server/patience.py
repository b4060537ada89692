"""Where patience with one client ends: time, errors, idle talk, and octets a second.

A client that sends mail may stay; one that only says NOOP, guesses, or
trickles may not (RFC 5321 §4.5.3.2; the numbers are in SmtpManners).
"""

from collections.abc import Callable

from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.manners import SmtpManners

_UNCOUNTED = frozenset({b"RCPT", b"DATA"})


class CloseAfter(Exception):
    """Say this and close the connection."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Patience:
    """What one session has used up. Spans are in seconds."""

    def __init__(self, manners: SmtpManners) -> None:
        self._manners = manners
        self._clock = manners.clock
        self._errors = self._commands = self._put_off = 0
        self._ends_at = 0.0
        self.is_renewed = False
        self.begin()

    def renew(self) -> None:
        """A message was accepted."""
        self.is_renewed = True
        self.begin()

    def begin(self) -> None:
        """Nothing is used up yet."""
        self._errors = self._commands = self._put_off = 0
        self._ends_at = self._clock.monotonic() + self._manners.session_time.total_seconds()

    def for_line(self) -> Callable[[], float]:
        """For a line that is asked for now: how long to wait for more of it.

        It, and what it returns, raises CloseAfter when the session is over;
        the latter TimeoutError for a line that trickles.
        """
        self._session_left()
        ends_at = self._clock.monotonic() + self._manners.command_timeout.total_seconds()

        def for_more() -> float:
            left = ends_at - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError
            return min(left, self._session_left())

        return for_more

    def for_content(self) -> Callable[[int], float]:
        """For content that begins now: from the octets so far, how long to wait for more.

        What it returns raises CloseAfter when they came too slowly.
        """
        began_at = self._clock.monotonic()

        def for_block(octets: int) -> float:
            took = self._clock.monotonic() - began_at
            is_late = took > self._manners.least_rate_after.total_seconds()
            if is_late and octets < took * self._manners.least_rate:
                raise CloseAfter(answers.TOO_SLOW)
            return min(self._manners.block_timeout.total_seconds(), self._session_left())

        return for_block

    def count(self, verb: bytes, reply: SmtpReply, *, is_known: bool) -> None:
        """Count one command and its answer; raises CloseAfter when it was one too many.

        A client that we know (`is_known`) may name many bad recipients and then a good one.
        """
        self._commands += verb not in _UNCOUNTED
        if not (is_known and verb == b"RCPT"):
            self._errors += reply.is_permanent
            self._put_off += verb == b"RCPT" and not reply.is_positive
        if self._errors >= self._manners.errors_allowed:
            raise CloseAfter(answers.TOO_MANY_ERRORS)
        too_many_put_off = self._put_off > self._manners.recipients_put_off
        if too_many_put_off or self._commands > self._manners.commands_without_mail:
            raise CloseAfter(answers.TOO_MANY_COMMANDS)

    def _session_left(self) -> float:
        left = self._ends_at - self._clock.monotonic()
        if left <= 0:
            raise CloseAfter(answers.SESSION_OVER)
        return left
