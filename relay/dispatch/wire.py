"""What travels: the stored message with its Date, signed when it is released.

The same bytes for each attempt: the signature's time is that of the release,
and both algorithms are deterministic, so a repeated delivery is recognisable
as the same message.
"""

import asyncio
from dataclasses import dataclass

from relay.address import ReversePath
from relay.clock import from_us
from relay.delivery.parcel import Wire
from relay.errors import Refusal
from relay.message.canonical import RelaxedBodyHash
from relay.message.content import Body
from relay.message.downgrade import CannotConvert, to_seven_bit
from relay.message.headers import Header, fold, format_date
from relay.replies import SmtpReply
from relay.signing.signer import Signer
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.tenants import bounce_address
from relay.tenants.directory import Directory


class NotForSevenBits(Refusal):
    """The server takes ASCII only, and this message has no such form (RFC 6152 §3)."""

    reply = SmtpReply(554, "5.6.3", "The receiving server takes no 8-bit mail, and this cannot be converted")


@dataclass(frozen=True, slots=True)
class Outfitter:
    """Makes stored messages ready to travel."""

    directory: Directory
    signer: Signer
    shelf: BodyShelf
    bounce_secret: bytes

    async def outfit(self, message: Message, stored: StoredContent) -> Wire:
        """The message as it goes over the wire: signatures, Date if it had none, header, body."""
        body = await self._body(message, stored)
        header = self._dated(message, Header.parse(stored.header))
        return await self._signed(message, header, body, message.body_hash, is_8bit=message.is_8bit)

    async def seven_bit(self, message: Message, stored: StoredContent) -> Wire:
        """The same converted for a server without 8BITMIME (RFC 6152 §3), signed again.

        Raises NotForSevenBits for mail that must not be touched.
        """
        header = self._dated(message, Header.parse(stored.header))
        body = await self._body(message, stored)
        try:
            octets = await asyncio.to_thread(body.read)
            new_header, new_body = await asyncio.to_thread(to_seven_bit, bytes(header), octets)
        except CannotConvert as error:
            raise NotForSevenBits(str(error)) from error
        body_hash = RelaxedBodyHash()
        body_hash.update(new_body)
        return await self._signed(
            message,
            Header.parse(new_header),
            Body(data=new_body, file=None, size=len(new_body)),
            body_hash.digest(),
            is_8bit=False,
        )

    async def reverse_path(self, message: Message) -> ReversePath:
        """The path that the far server is given: a signed bounce address where its host is verified."""
        if message.signing_domain is None or not str(message.reverse_path):
            return message.reverse_path
        domain = await self.directory.domain(message.signing_domain)
        if domain is None or domain.bounces_verified_at is None:
            return message.reverse_path
        return bounce_address.encode(message.id, self.bounce_secret, f"{bounce_address.HOST}{domain.name}")

    async def _body(self, message: Message, stored: StoredContent) -> Body:
        data, file = await self.shelf.open(stored.body, stored.body_file)
        return Body(data=data, file=file, size=message.body_size)

    def _dated(self, message: Message, header: Header) -> Header:
        if not message.lacks_date:
            return header
        at = from_us(message.released_at or message.created_at)
        return header.prepended(fold("Date", format_date(at)))

    async def _signed(
        self, message: Message, header: Header, body: Body, body_hash: bytes | None, *, is_8bit: bool
    ) -> Wire:
        signatures = b""
        if message.signing_domain is not None and body_hash is not None:
            at = from_us(message.released_at or message.created_at)
            selectors = await self.directory.active_selectors(message.signing_domain)
            signatures = await self.signer.sign(
                message.signing_domain, header, body_hash, at, selectors=selectors
            )
        return Wire(header=signatures + bytes(header), body=body, is_8bit=is_8bit)
