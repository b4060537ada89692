"""Events raised by hand, for trial: by test keys alone, and marked as what they are."""

from typing import Annotated, Any

from msgspec import Meta, field

from api.call import Call
from api.operations import Operation
from api.problems import FieldError, Problem, invalid
from api.routes.events import EventShape
from api.shapes import Body
from relay.address import InvalidAddress, parse_address
from relay.events import listing
from relay.sandbox import raising
from relay.sandbox.raising import Raised, Wanted
from relay.store.database import Transaction

MessageId = Annotated[str, Meta(max_length=100, description="a message that a test key sent")]


class NewTestEvent(Body, frozen=True):
    """Which event; what is left out is made up. `data` stands instead of what it would say by itself."""

    kind: Annotated[str, Meta(max_length=100, description="message.clicked")]
    message_id: MessageId | None = None
    inbox: Annotated[str, Meta(max_length=400, description="id or address")] | None = None
    recipient: Annotated[str, Meta(max_length=320)] | None = None
    data: dict[str, Any] = field(default_factory=dict)


async def raise_test_event(call: Call, body: NewTestEvent) -> EventShape:
    """The event as it stands in the log."""
    _check_key(call)
    wanted = await _wanted(call, body)

    async def work(tx: Transaction) -> Raised:
        return await raising.raise_event(tx, call.house.clock, call.tenant_id, wanted)

    answer = await call.once.run(work, _event_shape)
    call.house.watch.nudge()
    return answer


def _check_key(call: Call) -> None:
    """Raise Problem (403) for a live key: its events tell of what has happened."""
    if call.caller.mode != "test":
        raise Problem(403, "insufficient_scope", "Events are raised by test keys (ph_test_…) alone.")


async def _wanted(call: Call, body: NewTestEvent) -> Wanted:
    kind = raising.kind_named(body.kind)
    if kind is None:
        why = f"no event is called {body.kind}"
        raise Problem(422, "invalid_event", why, errors=[FieldError("$.kind", why)])
    if body.recipient is not None:
        try:
            parse_address(body.recipient)
        except InvalidAddress as error:
            raise invalid("$.recipient", str(error)) from error
    inbox = body.inbox or call.caller.only_inbox
    if inbox is None and call.caller.reach is not None:
        raise invalid("$.inbox", "is missing: this key is for some inboxes alone")
    mailbox_id = (await call.mailbox(inbox)).id if inbox else None
    return Wanted(kind, mailbox_id, body.message_id, body.recipient, body.data)


def _event_shape(raised: Raised) -> EventShape:
    return EventShape(
        id=raised.id,
        kind=raised.kind.value,
        at=raised.at,
        inbox_id=raised.mailbox_id,
        message_id=raised.message_id,
        data=listing.readable(raised.data),
        test=True,
    )


OPERATIONS = (
    Operation(
        "POST",
        "/v1/test/events",
        "test:write",
        "Raise an event for trial",
        raise_test_event,
        body=NewTestEvent,
        answer=EventShape,
        status=201,
        example={"kind": "message.clicked", "recipient": "ann@far.example"},
        answers={
            "id": "evt_01hw3k9v8g2e4r6t8y0a2s4d",
            "kind": "message.clicked",
            "at": "2026-03-02T09:00:03.120000Z",
            "inbox_id": None,
            "message_id": "msg_01hw3k9v8g2e4r6t8y0a2s4d",
            "data": {"recipient": "ann@far.example", "url": "https://shop.example/orders/7"},
            "test": True,
        },
        errors=("not_found", "invalid_event"),
        description=(
            "It stands in the log marked as a test, with the data that such an event has, and is posted to"
            " the webhooks of test keys. Nothing else changes, and no message either."
        ),
    ),
)
