"""Nobody writes in another's name, in whichever of its many ways a message names its author."""

import pytest

from relay.address import NULL_PATH, parse_address, parse_reverse_path
from relay.message.envelope import Envelope
from relay.message.headers import Header
from relay.policy.senders import (
    DomainNotVerified,
    InvalidFrom,
    SenderNotAllowed,
    check_reverse_path,
    check_sender,
)
from relay.store.database import Transaction
from relay.tenants import tenants
from relay.tenants.mailboxes import Mailbox
from tests.relay.tenants.house import House

OWN = b"From: Ann <ann@example.test>\r\n"


@pytest.fixture
async def ann(house: House) -> Mailbox:
    await house.add_domain("sub.example.test")
    await house.add_domain("pending.test", verified=False)
    return await house.add_mailbox(
        "ann@example.test",
        aliases=["sales@example.test"],
        senders=["app-*@example.test", "*@sub.example.test", "noreply@pending.test"],
    )


async def check(
    house: House, mailbox: Mailbox, header: bytes, reverse_path: str = "<ann@example.test>"
) -> str:
    envelope = Envelope(parse_reverse_path(reverse_path))
    return await check_sender(house.directory, mailbox, envelope, Header.parse(header))


@pytest.mark.parametrize(
    ("header", "signing_domain"),
    [
        (OWN, "example.test"),
        (b"From: ANN@EXAMPLE.TEST\r\n", "example.test"),
        (b"From: sales@example.test\r\n", "example.test"),
        (b"From: App <app-7@example.test>\r\n", "example.test"),
        (b"From: anybody@sub.example.test\r\n", "sub.example.test"),
        (b"From: ann+orders@example.test\r\n", "example.test"),
        (b"From: a@sub.example.test, ann@example.test\r\n", "sub.example.test"),
        (b'From: (a comment) "Ann, the First"\r\n <ann@example.test>\r\n', "example.test"),
        (b"From: =?utf-8?q?J=C3=B6rg?= <ann@example.test>\r\n", "example.test"),
        (OWN + b"Sender: sales@example.test\r\n", "example.test"),
        (OWN + b"Reply-To: who@ever.invalid\r\n", "example.test"),
        (b"From daemon Mon Mar  2 09:00:00 2026\r\n" + OWN, "example.test"),
    ],
)
async def test_own_addresses_pass_and_the_from_domain_signs(
    house: House, ann: Mailbox, header: bytes, signing_domain: str
) -> None:
    assert await check(house, ann, header) == signing_domain


@pytest.mark.parametrize(
    "header",
    [
        b"From: bob@example.test\r\n",
        b"From: ann@example.test.\r\n bob.invalid\r\n",
        b'From: "ann@example.test" <ceo@other.invalid>\r\n',
        b"From: ann@example.test, ceo@other.invalid\r\n",
        b"From : ceo@other.invalid\r\n",
        b"FROM:ceo@other.invalid\r\n",
        b"From: Group: ann@example.test, ceo@other.invalid;\r\n",
        b"From: ap-7@example.test\r\n",
        b"From: deep@x.sub.example.test\r\n",
        OWN + b"Sender: ceo@other.invalid\r\n",
        OWN + b"Resent-From: ceo@other.invalid\r\n",
        OWN + b"Resent-From: ann@example.test\r\nResent-From: ceo@other.invalid\r\n",
        OWN + b"Resent-Sender: ceo@other.invalid\r\n",
    ],
)
async def test_others_addresses_are_refused_wherever_they_stand(
    house: House, ann: Mailbox, header: bytes
) -> None:
    with pytest.raises((SenderNotAllowed, InvalidFrom)) as refused:
        await check(house, ann, header)
    assert refused.value.reply.code in (550, 553)


async def test_a_strangers_from_is_553_5_7_1(house: House, ann: Mailbox) -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        await check(house, ann, b"From: ceo@other.invalid\r\n")
    reply = refused.value.reply
    assert str(reply) == "553 5.7.1 From: this login may not send as <ceo@other.invalid>"
    assert refused.value.code == "sender_not_allowed"


@pytest.mark.parametrize(
    "header",
    [
        b"To: bob@example.test\r\n",
        b"From:\r\n",
        b"From: undisclosed:;\r\n",
        OWN + OWN,
        OWN + b"from: ceo@other.invalid\r\n",
        OWN + b"FROM : ceo@other.invalid\r\n",
        b"From: ann@example.test <ceo@other.invalid>\r\n",
        b"From: <ann@example.test> <ceo@other.invalid>\r\n",
        b"From: <ceo@other.invalid>, \r\n <ann@example.test>, \r\n",
        b"From: <@other.invalid:ann@example.test>\r\n",
        b"From: ann@example.test(\r\n",
        b"From: =?utf-8?b?Y2VvQG90aGVyLmludmFsaWQ=?=\r\n",
        b"From: <=?utf-8?q?ceo=40other.invalid=00?=ann@example.test>\r\n",
        b"From: ann@example.test\x0bceo@other.invalid\r\n",
        b"From: ann@(x)example.test\r\n",
        b"From: Ann\r\n",
        b"From\xc2\xa0: ceo@other.invalid\r\n" + OWN,
        b"\xef\xbb\xbfFrom: ceo@other.invalid\r\n" + OWN,
        b" From: ceo@other.invalid\r\n" + OWN,
        OWN + b"Sender: ann@\r\n",
    ],
)
async def test_a_from_that_two_readers_could_read_differently_is_no_from(
    house: House, ann: Mailbox, header: bytes
) -> None:
    with pytest.raises(InvalidFrom) as refused:
        await check(house, ann, header)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (550, "5.6.0")
    assert refused.value.reply.text.isascii()


async def test_the_reverse_path_must_be_owned_too(house: House, ann: Mailbox) -> None:
    with pytest.raises(SenderNotAllowed) as refused:
        await check(house, ann, OWN, "<bob@example.test>")
    assert refused.value.reply.text.startswith("MAIL FROM: ")


async def test_the_null_path_leaves_the_judgement_to_from(house: House, ann: Mailbox) -> None:
    await check_reverse_path(house.directory, ann, NULL_PATH)
    assert await check(house, ann, OWN, "<>") == "example.test"
    with pytest.raises(SenderNotAllowed):
        await check(house, ann, b"From: ceo@other.invalid\r\n", "<>")


async def test_an_unverified_domain_is_550_5_7_1(house: House, ann: Mailbox) -> None:
    with pytest.raises(DomainNotVerified) as refused:
        await check(house, ann, b"From: noreply@pending.test\r\n")
    assert str(refused.value.reply) == "550 5.7.1 From: the domain pending.test is not verified"


async def test_a_tag_that_is_somebody_elses_address_is_theirs(house: House, ann: Mailbox) -> None:
    await house.add_mailbox("ann+bob@example.test")
    with pytest.raises(SenderNotAllowed):
        await check(house, ann, b"From: ann+bob@example.test\r\n")


async def test_a_domain_that_went_to_another_tenant_takes_its_addresses_along(
    house: House, ann: Mailbox
) -> None:
    other = await house.db.transact(lambda tx: tenants.add(tx, house.clock, "other"))

    async def move(tx: Transaction) -> None:
        await tx.execute("update domains set tenant_id = $1 where name = 'sub.example.test'", other.id)

    await house.directory.change(move)
    with pytest.raises(DomainNotVerified):
        await check(house, ann, b"From: anybody@sub.example.test\r\n")


async def test_a_utf8_address_is_refused_in_ascii(house: House, ann: Mailbox) -> None:
    stranger = parse_address("jörg@example.test")
    with pytest.raises(SenderNotAllowed) as refused:
        await check_reverse_path(house.directory, ann, stranger)
    assert refused.value.reply.text.isascii()
