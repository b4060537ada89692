"""The far side of test mail: an SMTP server on a port of loopback that nobody else is told of.

It knows a message by the signed bounce address that our own delivery gives it,
so what other programs of this machine hand in here is refused. How often a
recipient has been tried stands in the queue: nothing is remembered here, and a
restart, or another node, goes on where the last attempt ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from relay.address import Address
from relay.errors import Refusal
from relay.message.content import Content
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.queue import records as queue
from relay.replies import SmtpReply
from relay.sandbox import caught
from relay.sandbox.caught import Caught
from relay.sandbox.conduct import DOMAIN, conduct_of, refusal
from relay.smtp_server import SmtpListener, SmtpManners, SmtpSession, listen
from relay.spool import records as spool
from relay.spool.records import Message
from relay.station import Station
from relay.store.database import Transaction
from relay.tenants import bounce_address

TAKEN: Final = SmtpReply(250, "2.0.0", "taken for trial, sent to nobody")
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class NotOurTrial(Refusal):
    """Nothing that a delivery of ours would bring."""

    reply = SmtpReply(550, "5.7.1", "Only the trials of this house are taken here")


@dataclass(frozen=True, slots=True)
class _Trial:
    """The message under way, and at which attempt each recipient is."""

    message: Message
    attempts: Mapping[Address, int]


@dataclass(frozen=True, slots=True)
class SimulatorDoor:
    """Behaves as each recipient is told to, and keeps what it takes."""

    station: Station

    async def connected(self, session: SmtpSession) -> None:
        """Welcome."""

    async def authenticate(self, session: SmtpSession, login: str, password: str) -> object | None:
        return None

    async def mail(self, session: SmtpSession, envelope: Envelope) -> None:
        """A message of ours that was sent for trial; no other."""
        session.memo = await self._trial(envelope)

    async def recipient(self, session: SmtpSession, envelope: Envelope, recipient: EnvelopeRecipient) -> None:
        """As the address is told to behave."""
        attempt = session.memo.attempts.get(recipient.address)
        if attempt is None:
            raise NotOurTrial(f"{recipient.address} is no recipient of {session.memo.message.id}")
        reply = refusal(conduct_of(recipient.address), attempt)
        if reply is not None:
            raise Refusal(f"{recipient.address} is told to behave so", reply)

    def fixes_bare_lf(self, session: SmtpSession, envelope: Envelope) -> bool:
        return False

    async def content(self, session: SmtpSession, envelope: Envelope, content: Content) -> SmtpReply:
        """Kept, for whoever wants to look at it."""
        clock, message = self.station.clock, session.memo.message
        taken = Caught(
            id=caught.new_catch_id(clock),
            tenant_id=message.tenant_id,
            mailbox_id=message.mailbox_id,
            message_id=message.id,
            at=clock.now(),
            reverse_path=str(envelope.reverse_path),
            recipients=tuple(str(recipient.address) for recipient in envelope.recipients),
            subject=message.subject,
            size=content.size,
            header=content.header,
        )

        async def work(tx: Transaction) -> None:
            await caught.insert(tx, taken)

        await self.station.db.transact(work, side_by_side=True)
        return TAKEN

    async def _trial(self, envelope: Envelope) -> _Trial:
        path, db = envelope.reverse_path, self.station.db
        secret = self.station.bounce_secret
        message_id = bounce_address.decode(path, secret) if isinstance(path, Address) else None
        message = await spool.find(db, message_id) if message_id else None
        if message is None or not message.is_test:
            raise NotOurTrial(f"{path} is the address of no trial")
        rows = await queue.of_message(db, message.id)
        return _Trial(message, {row.address: row.attempts for row in rows})


async def open_simulator(station: Station) -> SmtpListener:
    """The simulator of this process, at a port of its own on 127.0.0.1."""
    limits = station.config.limits
    manners = SmtpManners(
        hostname=DOMAIN,
        spool=station.shelf.incoming,
        name="simulator",
        clock=station.clock,
        offers_dsn=False,
        # Fields are added on the way here.
        message_size=2 * limits.message_size,
        header_limit=2 * limits.header_size,
        recipients_per_message=limits.recipients_per_message,
        uncounted_networks=_LOOPBACK,
    )
    return await listen(("127.0.0.1", 0), SimulatorDoor(station), manners)
