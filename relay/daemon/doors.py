"""Open the listeners that the configuration names, on addresses or inherited sockets."""

import logging
import socket
import ssl
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from api.app import build_app
from api.house import House
from inbound.listener import InboundDoor
from relay.config import Config, InheritedListener, Listener
from relay.daemon.crowd import Crowd
from relay.daemon.http import HttpServer, bind
from relay.errors import PosthouseError
from relay.replies import SmtpReply
from relay.smtp_server import AuthLimits, Rates, SmtpDoor, SmtpListener, SmtpManners, listen
from relay.station import Station
from relay.submission.listener import SubmissionDoor
from relay.systemd import InheritedSockets

logger = logging.getLogger("posthouse")


class CannotListen(PosthouseError):
    """An address could not be bound; the text names it and says why."""


@dataclass(slots=True)
class Doors:
    """The open listeners, by what they are for."""

    submission: list[SmtpListener] = field(default_factory=list)
    inbound: list[SmtpListener] = field(default_factory=list)
    http: list[HttpServer] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    # Who must let go first, so that nobody's endless answer holds the doors open.
    before_close: list[Callable[[], None]] = field(default_factory=list)

    def turn_away(self, reply: SmtpReply | None) -> None:
        """Answer `reply` to every SMTP client; HTTP goes on, which needs nothing but the store."""
        for listener in (*self.submission, *self.inbound):
            listener.turn_away(reply)

    async def close(self, patience: timedelta) -> None:
        """Stop accepting everywhere at once, then let sessions end within `patience`."""
        for let_go in self.before_close:
            let_go()
        for listener in (*self.submission, *self.inbound):
            listener.stop_accepting()
        for listener in (*self.submission, *self.inbound):
            await listener.drain(patience)
        for server in self.http:
            await server.stop(patience)


@dataclass(slots=True)
class Locksmith:
    """Opens doors for one station."""

    station: Station
    inherited: InheritedSockets
    tls: ssl.SSLContext | None

    async def open_submission(self, door: SubmissionDoor, doors: Doors) -> None:
        """STARTTLS listeners and implicit TLS ones; the latter need a certificate."""
        config = self.station.config
        limits = AuthLimits(
            self.station.clock,
            per_minute=config.limits.auth_failures_per_minute,
            per_day=config.limits.auth_failures_per_day,
        )
        for listener in config.submission.listen:
            manners = self._manners("submission", door, limits, implicit_tls=False)
            doors.submission += await self._listen(listener, door, manners, doors)
        for listener in config.submission.listen_tls:
            if self.tls is None:
                raise CannotListen("submission.listen_tls needs tls.certificate and tls.private_key")
            manners = self._manners("submissions", door, limits, implicit_tls=True)
            doors.submission += await self._listen(listener, door, manners, doors)

    async def open_inbound(self, door: InboundDoor, doors: Doors) -> None:
        """The MX listeners."""
        rates = self._rates()
        for listener in self.station.config.inbound.listen:
            manners = self._inbound_manners(rates)
            doors.inbound += await self._listen(listener, door, manners, doors)

    async def open_api(self, house: House, doors: Doors) -> None:
        """The HTTP listeners."""
        config = self.station.config
        crowd = Crowd(config.limits.http_connections_per_ip, uncounted=config.api.trusted_proxies)
        for listener in config.api.listen:
            for sock in self._sockets(listener):
                server = HttpServer(build_app(house), [sock], crowd)
                await server.start()
                doors.http.append(server)
                doors.names.append(f"http {_name(sock)}")

    def tell(self, doors: Doors) -> None:
        """Log what is open, and which inherited sockets nobody serves."""
        for name in self.inherited.untaken():
            logger.warning("nobody serves the inherited socket %s: connections to it wait in vain", name)
        logger.info("open: %s", ", ".join(doors.names) or "no listener")

    async def _listen(
        self,
        listener: Listener | InheritedListener,
        door: SmtpDoor,
        manners: SmtpManners,
        doors: Doors,
    ) -> list[SmtpListener]:
        opened = []
        for sock in self._sockets(listener):
            opened.append(await listen(sock, door, manners))
            doors.names.append(f"{manners.name} {_name(sock)}")
        return opened

    def _sockets(self, listener: Listener | InheritedListener) -> Iterable[socket.socket]:
        if isinstance(listener, InheritedListener):
            return self.inherited.take(listener.name)
        try:
            return [bind(listener.host, listener.port)]
        except OSError as error:
            raise CannotListen(f"{listener}: {error.strerror or error}") from error

    def _manners(
        self, name: str, door: SubmissionDoor, limits: AuthLimits, *, implicit_tls: bool
    ) -> SmtpManners:
        config = self.station.config
        return SmtpManners(
            hostname=config.server.hostname,
            spool=self.station.shelf.incoming,
            name=name,
            clock=self.station.clock,
            observer=self.station.metrics,
            tls_context=self.tls,
            implicit_tls=implicit_tls,
            offers_auth=door.offers_auth,
            requires_auth=door.requires_auth,
            auth_limits=limits,
            uncounted_networks=config.submission.trusted_networks,
            **_patience(config),
        )

    def _rates(self) -> Rates:
        limits = self.station.config.limits
        return Rates(
            self.station.clock,
            connections=limits.connections_per_minute,
            messages=limits.messages_per_minute_per_ip,
            octets=limits.data_per_minute,
            refused_recipients=limits.refused_recipients_per_minute,
        )

    def _inbound_manners(self, rates: Rates) -> SmtpManners:
        config = self.station.config
        return SmtpManners(
            hostname=config.server.hostname,
            spool=self.station.shelf.incoming,
            name="inbound",
            clock=self.station.clock,
            observer=self.station.metrics,
            tls_context=self.tls,
            offers_dsn=False,
            rates=rates,
            greeting_delay=config.inbound.greeting_delay,
            uncounted_networks=config.inbound.uncounted_networks,
            proxy_protocol_from=config.inbound.proxy_protocol_from,
            **_patience(config),
        )


async def open_doors(
    locksmith: Locksmith,
    doors: Doors,
    roles: Collection[str],
    submission: SubmissionDoor,
    inbound: InboundDoor,
    house: House,
) -> None:
    """Open those of the doors whose role is wanted, one after another; `doors` holds what is open.

    Raises CannotListen; what was opened until then stays open, for `doors.close`.
    """
    if "submission" in roles:
        await locksmith.open_submission(submission, doors)
    if "inbound" in roles:
        await locksmith.open_inbound(inbound, doors)
    if "api" in roles:
        await locksmith.open_api(house, doors)
    locksmith.tell(doors)


def _patience(config: Config) -> dict[str, Any]:
    limits = config.limits
    return {
        "message_size": limits.message_size,
        "header_limit": limits.header_size,
        "recipients_per_message": limits.recipients_per_message,
        "connections": limits.connections,
        "connections_per_ip": limits.connections_per_ip,
        "errors_allowed": limits.errors_per_session,
        "command_timeout": limits.command_timeout,
        "block_timeout": limits.data_timeout,
        "session_time": limits.session_time,
    }


def _name(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
