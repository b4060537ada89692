"""A mailbox may ask that answers to its applications' mail be known by a signed address."""

from email import message_from_bytes

import pytest

from relay.address import parse_address
from relay.tenants import reply_address
from tests.flows.house import FAR, House, letter
from tests.flows.letters import letter_of, received, written

CRM = "crm@ours.test"


@pytest.fixture
async def asking(house: House) -> House:
    await house.mailbox(CRM, signed_replies=True, aliases=["sales@ours.test"])
    return house


async def test_relayed_mail_names_an_address_by_which_its_answer_is_known(asking: House) -> None:
    sent = await asking.submit(sender=CRM)
    await asking.run_until_idle()
    (arrived,) = asking.mx.received
    address = message_from_bytes(arrived.content)["Reply-To"]
    assert reply_address.decode(parse_address(address), asking.station.bounce_secret) == sent.id

    answer = await received(asking, written(subject="Something else"), address)
    question = await letter_of(asking, sent.id)
    assert (answer.thread_id, answer.match.method) == (question.thread_id, "reply_address")


async def test_it_is_signed_with_the_rest(asking: House) -> None:
    await asking.submit(sender=CRM)
    await asking.run_until_idle()
    signature = message_from_bytes(asking.mx.received[0].content)["DKIM-Signature"]
    names = "".join(signature.partition("h=")[2].partition(";")[0].split())
    assert names.lower().split(":").count("reply-to") == 2


async def test_an_alias_is_answered_at_the_mailbox(asking: House) -> None:
    sent = await asking.submit(sender="sales@ours.test", login=CRM)
    await asking.run_until_idle()
    address = parse_address(message_from_bytes(asking.mx.received[0].content)["Reply-To"])
    assert address.local_part.startswith("crm+r.")
    assert reply_address.decode(address, asking.station.bounce_secret) == sent.id


async def test_what_names_where_answers_go_stays_as_it_is(asking: House) -> None:
    named = b"Reply-To: desk@far.example\r\n" + letter(CRM, f"ann@{FAR}")
    await asking.submit(sender=CRM, message=named)
    await asking.run_until_idle()
    (arrived,) = asking.mx.received
    assert arrived.content.endswith(named)
    assert arrived.content.lower().count(b"\r\nreply-to:") == 1


async def test_without_the_wish_no_octet_is_changed(house: House) -> None:
    plain = letter("app@ours.test", f"ann@{FAR}")
    await house.submit(message=plain)
    await house.run_until_idle()
    (arrived,) = house.mx.received
    assert arrived.content.endswith(plain)
    assert b"\r\nReply-To:" not in arrived.content


async def test_who_does_not_receive_here_names_no_address_here(house: House) -> None:
    await house.domain("sends.test", receives=False)
    await house.mailbox("app@sends.test", signed_replies=True)
    await house.submit(sender="app@sends.test")
    await house.run_until_idle()
    assert b"\r\nReply-To:" not in house.mx.received[0].content
