"""Make stored messages ready for an attempt: whence, whither, what is to be signed and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.address import ReversePath
from relay.clock import from_us
from relay.delivery.consignment import Consignment, SigningOrder
from relay.delivery.parcel import ParcelRecipient
from relay.message.content import Body
from relay.message.headers import fold, format_date
from relay.queue.records import QueuedRecipient
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.tenants import bounce_address
from relay.tenants.directory import Directory


@dataclass(frozen=True, slots=True)
class Outfitter:
    """Knows the domains and the bodies; the same message is made ready in the same way each time."""

    directory: Directory
    shelf: BodyShelf
    bounce_secret: bytes

    async def outfit(
        self, message: Message, stored: StoredContent, recipients: Sequence[QueuedRecipient]
    ) -> Consignment:
        """The message for `recipients`, who share a destination, with a Date if it had none."""
        return Consignment(
            message_id=message.id,
            destination=recipients[0].destination,
            reverse_path=await self.reverse_path(message),
            recipients=tuple(
                ParcelRecipient(leased.id, leased.address, leased.notify, leased.orcpt)
                for leased in recipients
            ),
            header=self._dated(message, stored.header),
            body=await self._body(message, stored),
            is_8bit=message.is_8bit,
            needs_utf8=message.needs_utf8,
            ret=message.ret,
            envid=message.envid,
            signing=await self._signing(message),
        )

    async def reverse_path(self, message: Message) -> ReversePath:
        """The path that the far server is given: a signed bounce address where its host is verified.

        The simulator is always given one: what it sends back needs no DNS.
        """
        if message.signing_domain is None or not str(message.reverse_path):
            return message.reverse_path
        domain = await self.directory.domain(message.signing_domain)
        if domain is None or (domain.bounces_verified_at is None and not message.is_test):
            return message.reverse_path
        return bounce_address.encode(message.id, self.bounce_secret, f"{bounce_address.HOST}{domain.name}")

    async def _body(self, message: Message, stored: StoredContent) -> Body:
        data, file = await self.shelf.open(stored.body, stored.body_file)
        return Body(data=data, file=file, size=message.body_size)

    def _dated(self, message: Message, header: bytes) -> bytes:
        if not message.lacks_date:
            return header
        return fold("Date", format_date(_released(message))) + header

    async def _signing(self, message: Message) -> SigningOrder | None:
        if message.signing_domain is None or message.body_hash is None:
            return None
        selectors = await self.directory.active_selectors(message.signing_domain)
        return SigningOrder(message.signing_domain, selectors, _released(message), message.body_hash)


def _released(message: Message) -> datetime:
    return from_us(message.released_at or message.created_at)
