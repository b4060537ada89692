"""What is in hand is ours until its lease ends, as it was taken or last kept up."""

from msgspec.structs import replace

from relay.address import parse_address
from relay.clock import to_us
from relay.dispatch.leases import Leases
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from tests.fakes.clock import FakeClock

MINUTE = 60 * 10**6


def leased(number: int, until: int) -> QueuedRecipient:
    address = parse_address("ann@far.example")
    recipient = QueuedRecipient(
        number, "ten_default", "msg_1", None, 0, address, address.domain, False, State.LEASED
    )
    return replace(recipient, lease_until=until)


def test_a_lease_holds_until_it_ends(clock: FakeClock) -> None:
    leases, until = Leases(clock), to_us(clock.now()) + MINUTE
    ours, another = leased(1, until), leased(2, until)
    leases.take([ours])
    assert leases.hold([ours])
    assert not leases.hold([ours, another])
    clock.advance(minutes=1)
    assert not leases.hold([ours])


def test_one_that_is_kept_up_holds_longer_and_one_that_was_lost_does_not(clock: FakeClock) -> None:
    leases, until = Leases(clock), to_us(clock.now()) + MINUTE
    kept, lost = leased(1, until), leased(2, until)
    leases.take([kept, lost])
    assert leases.ids == {1, 2}
    leases.extended([1, 3], until + MINUTE)
    clock.advance(seconds=90)
    assert leases.hold([kept])
    assert not leases.hold([lost])
    assert leases.ids == {1, 2}


def test_what_was_put_down_is_nobodys(clock: FakeClock) -> None:
    leases = Leases(clock)
    ours = leased(1, to_us(clock.now()) + MINUTE)
    leases.take([ours])
    leases.put_down([ours])
    assert not leases.hold([ours])
    assert leases.ids == frozenset()
