"""Making and checking the passwords by which clients log in.

A password that we made has 130 bits of chance, so one SHA-256 of it is
enough. A chosen one is kept by argon2id, which is slow on purpose and runs
in a thread, behind a queue of limited length, so that a flood of log-ins
cannot hold up the mail. How long a check takes depends on the form of what
was offered, never on whether the login exists or which kind it has.
"""

import asyncio
import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from hmac import compare_digest

import argon2

from relay.errors import InvalidInput, Refusal
from relay.replies import SmtpReply

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_MADE = re.compile(r"phs_[0-9a-hjkmnp-tv-z]{26}\Z")
_SHA256 = "sha256:"
# What a password is compared with when there is no such login; nothing hashes to it.
_NOBODY = _SHA256 + "0" * 64

MIN_LENGTH = 12
MAX_LENGTH = 1024
REMEMBERED = 1024

# OWASP's first choice for argon2id: 19 MiB, two passes; about 30 ms.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class TooManyLogins(Refusal):
    """More passwords wait to be checked than we are willing to queue; it passes."""

    reply = SmtpReply(454, "4.7.0", "Too many logins at once, please try again later")
    code = "rate_limited"


def make_password() -> str:
    """A fresh password: `phs_` and 26 digits that no keyboard or config file mangles."""
    return "phs_" + "".join(secrets.choice(_DIGITS) for _ in range(26))


def hash_made(password: str) -> str:
    """How a password from `make_password` is kept."""
    return _SHA256 + hashlib.sha256(password.encode()).hexdigest()


def check_chosen(password: str) -> None:
    """Raise InvalidInput for a password that somebody chose and that will not do."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    if not password.isprintable():
        raise InvalidInput("a password has no control characters")
    if _MADE.match(password):
        raise InvalidInput("choose a password that does not look like one of ours")


class PasswordChecker:
    """Checks passwords off the event loop; `waiting` is how many may queue, the one in work included."""

    def __init__(self, workers: int = 1, waiting: int = 40) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self._waiting = waiting
        self._queued = 0
        self._gate = threading.Lock()
        self._dummy = ""
        # Chosen passwords that were right lately: legacy applications log in for every message.
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._seen_key = secrets.token_bytes(32)

    async def hash_chosen(self, password: str) -> str:
        """How a chosen password is kept; raises InvalidInput for one that will not do, or TooManyLogins."""
        check_chosen(password)
        return str(await self._in_thread(password, None))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one behind `stored`; None stands for no such login.

        Raises TooManyLogins.
        """
        if _MADE.match(password):
            return compare_digest(hash_made(password), stored or _NOBODY)
        if len(password) > MAX_LENGTH:
            return False
        chosen = stored if stored is not None and not stored.startswith(_SHA256) else None
        if chosen is None:
            await self._in_thread(password, "")
            return False
        mark = self._mark(password, chosen)
        if mark in self._seen:
            return True
        right = bool(await self._in_thread(password, chosen))
        if right:
            self._remember(mark)
        return right

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _in_thread(self, password: str, stored: str | None) -> str | bool:
        with self._gate:
            if self._queued >= self._waiting:
                raise TooManyLogins(f"{self._queued} passwords wait to be checked")
            self._queued += 1
        job = self._pool.submit(self._work, password, stored)
        job.add_done_callback(self._done)
        return await asyncio.wrap_future(job)

    def _work(self, password: str, stored: str | None) -> str | bool:
        octets = password.encode("utf-8", "surrogatepass")
        if stored is None:
            return _HASHER.hash(octets)
        if not stored:
            self._dummy = self._dummy or _HASHER.hash(secrets.token_bytes(16))
        try:
            return _HASHER.verify(stored or self._dummy, octets)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False

    def _done(self, _job: "Future[str | bool]") -> None:
        with self._gate:
            self._queued -= 1

    def _mark(self, password: str, stored: str) -> bytes:
        octets = stored.encode() + b"\0" + password.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(octets, key=self._seen_key).digest()

    def _remember(self, mark: bytes) -> None:
        self._seen[mark] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
