"""The states of a recipient, and the one table of how it moves between them.

A state changes through `next_state` alone, in the transaction that also
writes the event. What is not in the table cannot happen.
"""

from collections.abc import Iterable
from enum import StrEnum

from relay.events.kinds import EventKind


class State(StrEnum):
    SCHEDULED = "scheduled"  # waits for send_at or a day with allowance
    QUEUED = "queued"  # due
    LEASED = "leased"  # in an attempt of some node
    DEFERRED = "deferred"  # the far side said not now, or could not be reached
    HELD = "held"  # waits for a person
    DELIVERED = "delivered"  # the far server took responsibility; not: it is in the inbox
    BOUNCED = "bounced"  # the far side said no for good
    EXPIRED = "expired"  # it stayed undeliverable too long
    SUPPRESSED = "suppressed"  # the address is not to be written to
    CANCELED = "canceled"  # a person or program took it back


class Happening(StrEnum):
    RELEASED = "released"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    PUT_OFF = "put_off"
    REJECTED = "rejected"
    GIVEN_UP = "given_up"
    LEASE_ENDED = "lease_ended"
    QUARANTINED = "quarantined"
    HELD_BACK = "held_back"
    LET_GO = "let_go"
    LET_GO_EARLY = "let_go_early"
    HURRIED = "hurried"
    TAKEN_BACK = "taken_back"
    FOUND_SUPPRESSED = "found_suppressed"
    BOUNCED_LATE = "bounced_late"
    WAITS_ON = "waits_on"


TRANSITIONS: dict[tuple[State, Happening], State] = {
    (State.SCHEDULED, Happening.RELEASED): State.QUEUED,
    (State.SCHEDULED, Happening.TAKEN_BACK): State.CANCELED,
    (State.SCHEDULED, Happening.FOUND_SUPPRESSED): State.SUPPRESSED,
    # A restored store may be older than what was sent meanwhile.
    (State.SCHEDULED, Happening.HELD_BACK): State.HELD,
    (State.QUEUED, Happening.CLAIMED): State.LEASED,
    (State.QUEUED, Happening.TAKEN_BACK): State.CANCELED,
    (State.QUEUED, Happening.HELD_BACK): State.HELD,
    (State.QUEUED, Happening.GIVEN_UP): State.EXPIRED,
    (State.QUEUED, Happening.FOUND_SUPPRESSED): State.SUPPRESSED,
    (State.QUEUED, Happening.HURRIED): State.QUEUED,
    # Its destination cannot be reached: it waits without an attempt of its own.
    (State.QUEUED, Happening.WAITS_ON): State.DEFERRED,
    (State.DEFERRED, Happening.WAITS_ON): State.DEFERRED,
    (State.DEFERRED, Happening.CLAIMED): State.LEASED,
    (State.DEFERRED, Happening.TAKEN_BACK): State.CANCELED,
    (State.DEFERRED, Happening.HELD_BACK): State.HELD,
    (State.DEFERRED, Happening.GIVEN_UP): State.EXPIRED,
    (State.DEFERRED, Happening.HURRIED): State.QUEUED,
    (State.LEASED, Happening.ACCEPTED): State.DELIVERED,
    (State.LEASED, Happening.PUT_OFF): State.DEFERRED,
    (State.LEASED, Happening.REJECTED): State.BOUNCED,
    (State.LEASED, Happening.GIVEN_UP): State.EXPIRED,
    # The node died in the attempt. The far server may have the message already:
    # we would rather deliver twice than never, with the same Message-ID.
    (State.LEASED, Happening.LEASE_ENDED): State.QUEUED,
    (State.LEASED, Happening.QUARANTINED): State.HELD,
    (State.LEASED, Happening.HELD_BACK): State.HELD,
    (State.HELD, Happening.LET_GO): State.QUEUED,
    # Its time is still to come: nothing that is queued waits for days.
    (State.HELD, Happening.LET_GO_EARLY): State.SCHEDULED,
    (State.HELD, Happening.TAKEN_BACK): State.CANCELED,
    # RFC 3464 reports arrive after the far server's 250.
    (State.DELIVERED, Happening.BOUNCED_LATE): State.BOUNCED,
}

EVENTS: dict[Happening, EventKind | None] = {
    Happening.RELEASED: EventKind.MESSAGE_RELEASED,
    Happening.CLAIMED: None,  # the attempt tells of itself when it has an outcome
    Happening.ACCEPTED: EventKind.MESSAGE_DELIVERED,
    Happening.PUT_OFF: EventKind.MESSAGE_DEFERRED,
    Happening.REJECTED: EventKind.MESSAGE_BOUNCED,
    Happening.GIVEN_UP: EventKind.MESSAGE_EXPIRED,
    Happening.LEASE_ENDED: EventKind.MESSAGE_DEFERRED,
    Happening.QUARANTINED: EventKind.MESSAGE_HELD,
    Happening.HELD_BACK: EventKind.MESSAGE_HELD,
    Happening.LET_GO: EventKind.MESSAGE_RELEASED,
    Happening.LET_GO_EARLY: EventKind.MESSAGE_SCHEDULED,
    Happening.HURRIED: EventKind.MESSAGE_RELEASED,
    Happening.TAKEN_BACK: EventKind.MESSAGE_CANCELED,
    Happening.FOUND_SUPPRESSED: EventKind.MESSAGE_SUPPRESSED,
    Happening.BOUNCED_LATE: EventKind.MESSAGE_BOUNCED,
    Happening.WAITS_ON: EventKind.MESSAGE_DEFERRED,
}

FINAL = frozenset({State.DELIVERED, State.BOUNCED, State.EXPIRED, State.SUPPRESSED, State.CANCELED})

# From the furthest behind to the furthest ahead; final states come after all of these.
_WAITING = (State.SCHEDULED, State.HELD, State.QUEUED, State.DEFERRED, State.LEASED)


class ImpossibleTransition(Exception):
    """The table knows no such step: a fault of ours, never of the mail."""


def next_state(state: State, happening: Happening) -> State:
    """Where `happening` takes a recipient in `state`; raises ImpossibleTransition."""
    try:
        return TRANSITIONS[state, happening]
    except KeyError:
        raise ImpossibleTransition(f"{happening} cannot happen to a {state} recipient") from None


def may_come_from(happening: Happening) -> tuple[State, ...]:
    """The states in which `happening` is possible."""
    return tuple(state for state, what in TRANSITIONS if what is happening)


def message_status(states: Iterable[State]) -> str:
    """The status of a message whose recipients are in `states`.

    The least advanced recipient's state while any is under way; the common
    final state, or "partial", when all have ended.
    """
    present = set(states)
    for state in _WAITING:
        if state in present:
            return state
    return present.pop() if len(present) == 1 else "partial"
