"""Ask for operations as the socket does: by name, with what JSON can say."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from relay.control.context import Context, Hooks
from relay.control.registry import find
from relay.station import Station
from tests.fakes.clock import FakeClock


@dataclass
class Desk:
    station: Station
    clock: FakeClock
    rung: list[str] = field(default_factory=list)

    async def does(self, name: str, /, **arguments: Any) -> Any:
        """The operation's answer, as it comes out of JSON."""
        operation = find(name)
        assert operation.run is not None
        context = Context(self.station, Hooks(wake=lambda: self.rung.append(name)))
        answer = await operation.run(context, operation.read(msgspec.to_builtins(arguments)))
        return msgspec.json.decode(msgspec.json.encode(answer))

    async def sends(self, *to: str) -> str:
        """Send to these; returns the message's id."""
        sent = await self.does("message.send", sender="app@example.test", to=to, text="hello")
        return str(sent["id"])

    async def statuses(self, message_id: str) -> dict[str, str]:
        shown = await self.does("queue.show", message=message_id)
        return {each["address"]: each["status"] for each in shown["recipients"]}

    async def used(self) -> int:
        return int((await self.does("mailbox.show", mailbox="app@example.test"))["used_today"])

    async def leases(self, destination: str) -> None:
        """Begin an attempt at everything that is due there, and let it have no outcome yet."""
        row = await self.station.db.fetch_one("select max(due_at) as due_at from recipients")
        assert row is not None
        due_at: int = row["due_at"]
        await self.station.db.transact(
            lambda tx: tx.execute(
                "update recipients set state = 'leased', lease_owner = 'x', lease_until = $1,"
                " attempts = attempts + 1, unfinished = unfinished + 1, epoch = epoch + 1"
                " where destination = $2",
                due_at + 60_000_000,
                destination,
            )
        )
