"""An event with what stands beside it: the message it is about, and the domain it belongs to.

The log says each thing once; whoever is told of an opening wants the tags and
metadata that the message was sent with. They are looked up when somebody is
to be told, so nothing is written for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.events.log import Event
from relay.spool import records as spool
from relay.spool.records import Message
from relay.store.database import Reader

_MADE_FROM = ("stream", "batch_id", "template_id", "brand_id")


@dataclass(frozen=True, slots=True)
class Told:
    """`message` is None where there is none, or no longer."""

    event: Event
    message: Message | None = None

    @property
    def is_test(self) -> bool:
        return self.event.is_test or (self.message is not None and self.message.is_test)

    @property
    def tags(self) -> tuple[str, ...]:
        given = self.message.tags if self.message else self.event.data.get("tags", ())
        return tuple(given) if isinstance(given, (list, tuple)) else ()

    @property
    def domain(self) -> str | None:
        """Of ours: who signed for the message, else where it arrived, or what the event is about."""
        if self.message is not None and self.message.signing_domain is not None:
            return self.message.signing_domain
        data = self.event.data
        if isinstance(named := data.get("domain"), str):
            return named
        address = data.get("address") if self.message is None else data.get("recipient")
        return address.rpartition("@")[2] if isinstance(address, str) and "@" in address else None

    def beside(self) -> dict[str, Any]:
        """What its owner said of the message when it was sent, and how it is known by its look."""
        marks: dict[str, Any] = {"test": True} if self.is_test else {}
        message = self.message
        if message is None:
            return marks
        made_from = {name: value for name in _MADE_FROM if (value := getattr(message, name)) is not None}
        about = {"from": message.header_from, "subject": message.subject}
        if message.direction == "in":
            return marks | about
        return marks | about | {"tags": message.tags, "metadata": message.metadata} | made_from


async def with_messages(reader: Reader, events: Sequence[Event]) -> list[Told]:
    """The events in their order, each with its message; one read."""
    ids = {event.message_id for event in events if event.message_id is not None}
    messages = await spool.find_many(reader, sorted(ids)) if ids else {}
    return [Told(event, messages.get(event.message_id or "")) for event in events]
