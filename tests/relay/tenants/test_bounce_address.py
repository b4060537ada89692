"""A bounce names its message, and nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import Address, parse_address
from relay.ids import new_id
from relay.store.database import Database
from relay.tenants import bounce_address
from relay.tenants.secrets import get_or_create_secret
from tests.fakes.clock import FakeClock

SECRET = b"s" * 32
MESSAGE = new_id("msg", FakeClock())


def test_the_address_leads_back_to_its_message_in_any_case_of_letters() -> None:
    address = bounce_address.encode(MESSAGE, SECRET, "bounces.example.test")
    assert address.domain == "bounces.example.test"
    assert len(address.local_part) <= 64
    for text in (str(address), str(address).upper(), str(address).title()):
        assert bounce_address.decode(parse_address(text), SECRET) == MESSAGE


def test_another_houses_address_is_not_ours() -> None:
    address = bounce_address.encode(MESSAGE, b"another", "bounces.example.test")
    assert bounce_address.decode(address, SECRET) is None


@given(place=st.integers(0, 100), digit=st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz-+é"))
def test_one_changed_digit_makes_it_nobodys(place: int, digit: str) -> None:
    local = bounce_address.encode(MESSAGE, SECRET, "b.test").local_part
    place %= len(local)
    changed = local[:place] + digit + local[place + 1 :]
    expected = MESSAGE if changed == local else None
    assert bounce_address.decode(Address(changed, "b.test"), SECRET) == expected


@pytest.mark.parametrize(
    "local", ["", "b", "b+", "b+x", "b+" + "0" * 20, "c+" + "0" * 44, "b+" + "0" * 62, "b+" + "u" * 44]
)
def test_what_was_never_made_is_nobodys(local: str) -> None:
    assert bounce_address.decode(Address(local, "b.test"), SECRET) is None


@pytest.mark.parametrize("id_", ["", "msg_", "inb_0123", "msg_U", "msg_" + "0" * 43])
def test_only_messages_have_one(id_: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a message"):
        bounce_address.encode(id_, SECRET, "b.test")


async def test_a_secret_is_made_once(db: Database, clock: FakeClock) -> None:
    first = await get_or_create_secret(db, clock, "bounce_address", 32)
    assert len(first) == 32
    assert await get_or_create_secret(db, clock, "bounce_address", 16) == first
    assert await get_or_create_secret(db, clock, "other", 32) != first
