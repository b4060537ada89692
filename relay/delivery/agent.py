"""Sign a consignment and try to deliver it.

The same octets for each attempt: the signature's time is that of the release,
and both algorithms are deterministic, so a repeated delivery is recognisable
as the same message.
"""

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, cast

from relay.delivery.attempt import Attempt, Deliverer
from relay.delivery.connection import Connection
from relay.delivery.consignment import Consignment
from relay.delivery.outcome import Outcome
from relay.delivery.parcel import Parcel, Wire
from relay.errors import PosthouseError, Refusal
from relay.message.canonical import RelaxedBodyHash
from relay.message.content import Body
from relay.message.downgrade import CannotConvert, to_seven_bit
from relay.message.headers import Header
from relay.replies import SmtpReply
from relay.signing.signer import Signer


class NotForSevenBits(Refusal):
    """The server takes ASCII only, and this message has no such form (RFC 6152 §3)."""

    reply = SmtpReply(554, "5.6.3", "The receiving server takes no 8-bit mail, and this cannot be converted")


class AgentLost(PosthouseError):
    """Whoever made the attempt ended before it: nobody knows how far it had come."""


class DeliveryFailed(PosthouseError):
    """A fault on our side, told by whoever made the attempt, who has written down all of it."""


class KeptConnection(Protocol):
    """A connection to one destination, open for the next consignment; whoever gets it closes it."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a consignment: an outcome for each recipient, and the connection, if it is of more use."""

    outcomes: list[Outcome]
    kept: KeptConnection | None


class Agent(Protocol):
    """Delivers consignments, here or in a process of its own."""

    async def deliver(self, consignment: Consignment, kept: KeptConnection | None = None) -> Delivery:
        """Try to deliver; exactly one outcome for each recipient.

        `kept` comes from an earlier delivery to the same destination; it is
        used, or closed. Raises KeyFault and its kin where the keys cannot be
        used, and AgentLost. If we are cancelled halfway, connections are
        closed and nothing is known.
        """
        ...

    def log_as(self, log_format: Literal["text", "json"], log_level: str) -> None:
        """Log so from now on, wherever it is that the attempts are made."""
        ...

    async def close(self) -> None:
        """Nothing is delivered afterwards; what was under way is lost."""
        ...


class LocalAgent:
    """Delivers in this process."""

    def __init__(self, signer: Signer, deliverer: Deliverer) -> None:
        self._signer = signer
        self._deliverer = deliverer

    async def deliver(self, consignment: Consignment, kept: KeptConnection | None = None) -> Delivery:
        """See `Agent`."""
        parcel = await self._parcel(consignment)
        attempt: Attempt = await self._deliverer.attempt(parcel, cast("Connection | None", kept))
        return Delivery(attempt.outcomes, attempt.kept)

    def log_as(self, log_format: Literal["text", "json"], log_level: str) -> None:
        """This process logs as it was set up to."""

    async def close(self) -> None:
        """Nothing is held between deliveries."""

    async def _parcel(self, consignment: Consignment) -> Parcel:
        return Parcel(
            message_id=consignment.message_id,
            destination=consignment.destination,
            reverse_path=consignment.reverse_path,
            recipients=consignment.recipients,
            wire=await signed(self._signer, consignment),
            seven_bit=partial(self._seven_bit, consignment),
            needs_utf8=consignment.needs_utf8,
            ret=consignment.ret,
            envid=consignment.envid,
        )

    async def _seven_bit(self, consignment: Consignment) -> Wire:
        """The same converted for a server without 8BITMIME (RFC 6152 §3), signed again.

        Raises NotForSevenBits for mail that must not be touched.
        """
        try:
            octets = await asyncio.to_thread(consignment.body.read)
            new_header, new_body = await asyncio.to_thread(to_seven_bit, consignment.header, octets)
        except CannotConvert as error:
            raise NotForSevenBits(str(error)) from error
        body_hash = RelaxedBodyHash()
        body_hash.update(new_body)
        body = Body(data=new_body, file=None, size=len(new_body))
        order = consignment.signing and replace(consignment.signing, body_hash=body_hash.digest())
        return await signed(
            self._signer, replace(consignment, header=new_header, body=body, is_8bit=False, signing=order)
        )


async def signed(signer: Signer, consignment: Consignment) -> Wire:
    """The message as it travels; raises KeyFault and its kin where the keys cannot be used."""
    header, signatures, order = consignment.header, b"", consignment.signing
    if order is not None:
        signatures = await signer.sign(
            order.domain, Header.parse(header), order.body_hash, order.at, selectors=order.selectors
        )
    return Wire(header=signatures + header, body=consignment.body, is_8bit=consignment.is_8bit)
