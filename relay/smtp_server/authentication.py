"""AUTH: PLAIN (RFC 4616) and LOGIN, as RFC 4954 frames them.

Every wrong login takes the same way to the same answer, and none of it is
logged but the name of a login that succeeded.
"""

import asyncio
import base64
import binascii
import logging
from typing import TYPE_CHECKING, NamedTuple

from relay.errors import Refusal
from relay.replies import SmtpReply
from relay.smtp_server import answers
from relay.smtp_server.manners import never
from relay.smtp_server.session import SmtpSession

if TYPE_CHECKING:
    from relay.smtp_server.conversation import Conversation

log = logging.getLogger("posthouse.smtp")

_USERNAME = base64.b64encode(b"Username:").decode()
_PASSWORD = base64.b64encode(b"Password:").decode()


class BadResponse(Refusal):
    """The exchange failed before there was anything to check."""

    reply = answers.BAD_BASE64


class _Claim(NamedTuple):
    authorization: str
    login: str
    password: str


class Authentication:
    """The AUTH command of one conversation."""

    def __init__(self, conversation: "Conversation") -> None:
        self._conversation = conversation

    async def auth(self, argument: bytes) -> SmtpReply:
        """The answer to `AUTH` + `argument`; afterwards the session has its credential, or not."""
        if (refusal := self._not_now()) is not None:
            return refusal
        words = argument.decode("latin-1").split()
        if not 1 <= len(words) <= 2:
            return answers.BAD_AUTH
        if (mechanism := words[0].upper()) not in ("PLAIN", "LOGIN"):
            return answers.UNKNOWN_MECHANISM
        initial = words[1] if len(words) == 2 else None
        return await self._check(await (self._plain if mechanism == "PLAIN" else self._login)(initial))

    def _not_now(self) -> SmtpReply | None:
        session, manners = self._conversation.session, self._conversation.manners
        if manners.offers_auth is never:
            return answers.NOT_OFFERED
        if not session.esmtp:
            return answers.SAY_EHLO_FIRST
        if session.login is not None:
            return answers.AUTHENTICATED_ALREADY
        if self._conversation.transaction.envelope is not None:
            return answers.NOT_IN_TRANSACTION
        if manners.offers_auth(session):
            return None
        return answers.ENCRYPTION_REQUIRED if session.tls is None else answers.NOT_OFFERED

    async def _plain(self, initial: str | None) -> _Claim:
        response = await self._ask("") if initial is None else _decode(initial)
        parts = response.split("\0")
        if len(parts) != 3:
            raise BadResponse("PLAIN response has not three parts")
        return _Claim(*parts)

    async def _login(self, initial: str | None) -> _Claim:
        login = await self._ask(_USERNAME) if initial is None else _decode(initial)
        return _Claim("", login, await self._ask(_PASSWORD))

    async def _ask(self, challenge: str) -> str:
        self._conversation.connection.say(f"334 {challenge}")
        line = await self._conversation.read_line(is_response=True)
        if line == b"*":
            raise BadResponse("canceled by the client", answers.AUTH_CANCELED)
        return _decode(line.decode("latin-1"))

    async def _check(self, claim: _Claim) -> SmtpReply:
        session = self._conversation.session
        credential = await self._credential(claim)
        if credential is None:
            log.info("%s wrong login from %s", session.id, session.peer)
            await asyncio.sleep(self._conversation.manners.auth_failure_delay.total_seconds())
            return answers.WRONG_LOGIN
        session.credential, session.login = credential, claim.login
        log.info("%s authenticated as %r", session.id, claim.login)
        return answers.AUTHENTICATED

    async def _credential(self, claim: _Claim) -> object | None:
        """What the door makes of the claim, asked within the limits for failures."""
        session, limits = self._conversation.session, self._conversation.manners.auth_limits
        if limits is None:
            return await self._ask_door(session, claim)
        async with limits.attempt(session.peer, claim.login) as attempt:
            credential = await self._ask_door(session, claim)
            attempt.is_right = credential is not None
        return credential

    async def _ask_door(self, session: SmtpSession, claim: _Claim) -> object | None:
        credential = await self._conversation.door.authenticate(session, claim.login, claim.password)
        # To act for somebody else is not offered; to name oneself twice is usual.
        return credential if claim.authorization in ("", claim.login) else None


def _decode(text: str) -> str:
    try:
        return "" if text == "=" else base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise BadResponse("not base64 of UTF-8") from error
