"""Reach a server that is ready for MAIL: dial, greet, TLS where it is offered, log in where it is asked."""

import base64

from relay.clock import Clock
from relay.delivery.breaks import HandshakeFailed, SessionBroken, our_reply
from relay.delivery.connection import Connection
from relay.delivery.outcome import Phase
from relay.delivery.route import Hop
from relay.delivery.settings import DeliverySettings
from relay.delivery.smarthost import TlsUse
from relay.delivery.trail import Trail
from relay.replies import SmtpReply


async def open_connection(hop: Hop, settings: DeliverySettings, clock: Clock, trail: Trail) -> Connection:
    """A greeted connection to `hop`, in TLS where that is offered; raises SessionBroken.

    After a failed opportunistic handshake the server is dialled once more and
    spoken to in plain text (RFC 7435: some protection, but never less mail).
    """
    try:
        return await _Opening(hop, settings, clock, trail).run(hop.tls)
    except HandshakeFailed:
        if hop.tls is not TlsUse.OPPORTUNISTIC:
            raise
        trail.note("once more, in plain text")
        return await _Opening(hop, settings, clock, trail).run(TlsUse.NONE)


class _Opening:
    """The steps from dialling to a server that is ready for MAIL."""

    def __init__(self, hop: Hop, settings: DeliverySettings, clock: Clock, trail: Trail) -> None:
        self._connection = Connection(hop, settings, clock, trail)
        self._patience = settings.timeouts.hello
        self._hop = hop

    async def run(self, tls: TlsUse) -> Connection:
        connection = self._connection
        try:
            await connection.dial()
            await connection.greet()
            await self._protect(tls)
            smarthost = self._hop.smarthost
            if smarthost and smarthost.login is not None and smarthost.password is not None:
                await self._authenticate(smarthost.login, smarthost.password)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _protect(self, tls: TlsUse) -> None:
        connection = self._connection
        if tls in (TlsUse.NONE, TlsUse.IMPLICIT):
            return
        if connection.offers("starttls"):
            try:
                await connection.start_tls()
            except HandshakeFailed:
                raise
            except SessionBroken as refused:
                # "Not now" to STARTTLS leaves the session as it was (RFC 3207 §4).
                is_over = refused.reply.code == 421 or not connection.is_reusable
                if tls is TlsUse.REQUIRED or is_over or refused.phase is not Phase.STARTTLS:
                    raise
        elif tls is TlsUse.REQUIRED:
            raise SessionBroken(Phase.STARTTLS, our_reply("4.7.4", f"{self._hop} offers no TLS"))

    async def _authenticate(self, login: str, password: str) -> None:
        """AUTH PLAIN or LOGIN, only inside TLS; neither secret is ever in the trail."""
        connection = self._connection
        if connection.tls is None:
            raise SessionBroken(Phase.AUTH, our_reply("4.7.0", "no TLS, so no password"))
        if "plain" in connection.auth_methods:
            secret = base64.b64encode(f"\0{login}\0{password}".encode())
            reply = await self._auth(b"AUTH PLAIN " + secret, "AUTH PLAIN …")
        elif "login" in connection.auth_methods:
            reply = await self._auth(b"AUTH LOGIN", "AUTH LOGIN")
            for text, shown in ((login, "(login)"), (password, "(password)")):
                if reply.code == 334:
                    reply = await self._auth(base64.b64encode(text.encode()), shown)
        else:
            raise SessionBroken(Phase.AUTH, our_reply("4.7.0", "the server offers neither PLAIN nor LOGIN"))
        connection.require(Phase.AUTH, reply)

    async def _auth(self, line: bytes, shown: str) -> SmtpReply:
        return await self._connection.command(Phase.AUTH, line, self._patience, shown=shown)
