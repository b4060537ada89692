"""The one table of states: everything can end, nothing that has ended goes out again."""

import pytest

from relay.queue.state import (
    EVENTS,
    FINAL,
    TRANSITIONS,
    Happening,
    ImpossibleTransition,
    State,
    message_status,
    next_state,
)


def test_every_happening_has_its_event_or_says_that_it_has_none() -> None:
    assert set(EVENTS) == set(Happening)
    assert {happening for _, happening in TRANSITIONS} == set(Happening)


def test_what_has_ended_is_never_sent_again() -> None:
    leaving = {(state, to) for (state, _), to in TRANSITIONS.items() if state in FINAL}
    # A report that comes after the far server's 250.
    assert leaving == {(State.DELIVERED, State.BOUNCED)}


@pytest.mark.parametrize("state", [state for state in State if state not in FINAL])
def test_whatever_waits_can_come_to_an_end(state: State) -> None:
    reached, border = set[State](), {state}
    while border:
        reached |= border
        border = {to for (origin, _), to in TRANSITIONS.items() if origin in reached} - reached
    assert State.DELIVERED in reached
    assert State.CANCELED in reached


def test_only_a_leased_recipient_can_have_been_delivered() -> None:
    assert [state for (state, _), to in TRANSITIONS.items() if to is State.DELIVERED] == [State.LEASED]


def test_what_is_not_in_the_table_cannot_happen() -> None:
    with pytest.raises(ImpossibleTransition, match=r"claimed.*delivered"):
        next_state(State.DELIVERED, Happening.CLAIMED)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (["delivered"], "delivered"),
        (["delivered", "bounced"], "partial"),
        (["delivered", "deferred"], "deferred"),
        (["leased", "queued", "delivered"], "queued"),
        (["scheduled", "canceled"], "scheduled"),
        (["held", "deferred"], "held"),
        (["suppressed", "suppressed"], "suppressed"),
    ],
)
def test_a_message_is_as_far_as_its_least_advanced_recipient(states: list[str], status: str) -> None:
    assert message_status(map(State, states)) == status
