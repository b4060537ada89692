"""An answer to a signed address names the message it answers, whatever else a mail program drops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.address import Address, parse_address
from relay.ids import new_id
from relay.tenants import bounce_address, reply_address
from tests.fakes.clock import FakeClock

SECRET = b"s" * 32
MESSAGE = new_id("msg", FakeClock())
OWN = parse_address("ann@ours.test")


def test_the_own_address_carries_the_message_in_its_tag() -> None:
    made = reply_address.encode(MESSAGE, SECRET, OWN)
    assert made.local_part.startswith("ann+r.")
    assert made.domain == "ours.test"
    assert not reply_address.is_without_mailbox(made)


@pytest.mark.parametrize("own", ["a" * 18, "ann+sales", "jörg", "a..b"])
def test_where_the_tag_does_not_fit_it_stands_alone(own: str) -> None:
    made = reply_address.encode(MESSAGE, SECRET, Address(own, "ours.test"))
    assert made.local_part.startswith("r+")
    assert reply_address.is_without_mailbox(made)
    assert reply_address.decode(made, SECRET) == MESSAGE


@pytest.mark.parametrize("own", ["a", "a" * 17, "a" * 18, "a" * 64, "r", "x+r.y"])
def test_the_address_leads_back_in_any_case_of_letters(own: str) -> None:
    made = reply_address.encode(MESSAGE, SECRET, Address(own, "ours.test"))
    assert len(made.local_part) <= 64
    for text in (str(made), str(made).upper(), str(made).title()):
        assert reply_address.decode(parse_address(text), SECRET) == MESSAGE


@given(place=st.integers(0, 100), digit=st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz-+é"))
def test_one_changed_digit_makes_it_nobodys(place: int, digit: str) -> None:
    local = reply_address.encode(MESSAGE, SECRET, OWN).local_part
    place = len("ann+r.") + place % (len(local) - len("ann+r."))
    changed = local[:place] + digit + local[place + 1 :]
    expected = MESSAGE if changed == local else None
    assert reply_address.decode(Address(changed, "ours.test"), SECRET) == expected


@pytest.mark.parametrize(
    "local", ["", "r", "r+", "ann", "ann+r.", "ann+r.x", "r+" + "0" * 44, "ann+" + "0" * 44, "+r." + "0" * 61]
)
def test_what_was_never_made_is_nobodys(local: str) -> None:
    assert reply_address.decode(Address(local, "ours.test"), SECRET) is None


def test_a_bounce_address_is_no_reply_address() -> None:
    bounce = bounce_address.encode(MESSAGE, SECRET, "ours.test").local_part.removeprefix("b+")
    reply = reply_address.encode(MESSAGE, SECRET, OWN).local_part.removeprefix("ann+r.")
    assert reply_address.decode(Address(f"r+{bounce}", "ours.test"), SECRET) is None
    assert bounce_address.decode(Address(f"b+{reply}", "ours.test"), SECRET) is None


def test_only_messages_have_one() -> None:
    with pytest.raises(ValueError, match="is not the id of a message"):
        reply_address.encode("inb_0123", SECRET, OWN)
