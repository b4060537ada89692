"""What a server offers is honoured; what it does not offer is never asked of it."""

from dataclasses import replace

import pytest

from relay.address import Address, parse_address
from relay.delivery.outcome import Fate, Scope
from relay.delivery.parcel import ParcelRecipient, Wire
from relay.errors import Refusal
from relay.replies import SmtpReply
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import HEADER, Body, Station, parcel, wire

EIGHT_BIT = wire("Grüße\r\n".encode(), is_8bit=True)


async def test_size_is_declared_as_it_travels(station: Station, mx: FarMx) -> None:
    body = b".dots\r\nare not counted twice\r\n"
    await station.send(parcel(content=wire(body)))
    assert mx.received[0].parameters == [f"SIZE={len(HEADER) + 2 + len(body)}"]


async def test_a_message_larger_than_the_server_takes_is_refused_without_a_word(
    station: Station, mx: FarMx
) -> None:
    mx.offers("SIZE 1000")
    (outcome,) = await station.send(parcel(content=wire(b"x" * 1000 + b"\r\n")))
    assert (outcome.fate, outcome.scope, outcome.reply.enhanced) == (Fate.BOUNCED, Scope.MESSAGE, "5.3.4")
    assert mx.says("MAIL") == []


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE lots", "SIZE -1", "SIZE ²"])
async def test_a_size_without_a_limit_is_no_limit(station: Station, mx: FarMx, size: str) -> None:
    mx.offers(size)
    (outcome,) = await station.send()
    assert outcome.fate is Fate.DELIVERED


async def test_a_server_without_extensions_is_asked_for_none(station: Station, mx: FarMx) -> None:
    mx.answers("EHLO", "502 5.5.1 what")
    recipient = ParcelRecipient(1, parse_address("ann@example.net"), "SUCCESS", "rfc822;ann@example.net")
    (outcome,) = await station.send(parcel(recipients=(recipient,), ret="FULL", envid="x1"))
    assert outcome.fate is Fate.DELIVERED
    assert not outcome.passed_dsn_on
    assert mx.says("HELO", "MAIL", "RCPT") == [
        "HELO relay.example.com",
        "MAIL FROM:<me@example.com>",
        "RCPT TO:<ann@example.net>",
    ]


async def test_eight_bit_is_announced_where_it_is_taken(station: Station, mx: FarMx) -> None:
    await station.send(parcel(content=EIGHT_BIT))
    assert "BODY=8BITMIME" in mx.received[0].parameters
    assert mx.received[0].content.endswith("Grüße\r\n".encode())


async def test_a_server_without_8bitmime_gets_the_seven_bit_copy(station: Station, mx: FarMx) -> None:
    copy = Wire(HEADER, Body(b"Gr=C3=BC=C3=9Fe\r\n"))

    async def seven_bit() -> Wire:
        return copy

    mx.hides("8BITMIME")
    await station.send(parcel(content=EIGHT_BIT, seven_bit=seven_bit))
    assert mx.received[0].parameters == [f"SIZE={copy.size}"]
    assert mx.received[0].content == HEADER + b"\r\nGr=C3=BC=C3=9Fe\r\n"


async def test_a_message_that_cannot_be_converted_is_refused(station: Station, mx: FarMx) -> None:
    async def seven_bit() -> Wire:
        raise Refusal("signed", SmtpReply(554, "5.6.3", "Conversion required but not supported"))

    mx.hides("8BITMIME")
    (outcome,) = await station.send(parcel(content=EIGHT_BIT, seven_bit=seven_bit))
    assert (outcome.fate, outcome.scope, outcome.reply.enhanced) == (Fate.BOUNCED, Scope.MESSAGE, "5.6.3")


async def test_a_fault_of_ours_bounces_nobodys_mail(
    station: Station, mx: FarMx, caplog: pytest.LogCaptureFixture
) -> None:
    async def seven_bit() -> Wire:
        raise RuntimeError("a bug")

    mx.hides("8BITMIME")
    (outcome,) = await station.send(parcel(content=EIGHT_BIT, seven_bit=seven_bit))
    assert (outcome.fate, outcome.reply.code, outcome.reply.enhanced) == (Fate.DEFERRED, 451, "4.3.0")
    assert "a bug" in caplog.text
    assert "a bug" not in str(outcome)


@pytest.mark.parametrize("what", ["recipient", "sender", "message"])
async def test_utf8_addresses_go_only_where_smtputf8_is_offered(
    station: Station, mx: FarMx, what: str
) -> None:
    message = {
        "recipient": parcel("jürgen@example.net"),
        "sender": parcel(sender="jürgen@example.com"),
        "message": replace(parcel(), needs_utf8=True),
    }[what]
    (outcome,) = await station.send(message)
    assert outcome.fate is Fate.DELIVERED
    assert "SMTPUTF8" in mx.received[0].parameters

    mx.hides("SMTPUTF8")
    (outcome,) = await station.send(message)
    assert (outcome.fate, outcome.reply.enhanced) == (Fate.BOUNCED, "5.6.7")
    assert len(mx.received) == 1


async def test_without_smtputf8_the_other_recipients_still_get_theirs(station: Station, mx: FarMx) -> None:
    mx.hides("SMTPUTF8")
    outcomes = await station.send(parcel("jürgen@example.net", "ann@example.net"))
    assert [one.fate.name for one in outcomes] == ["BOUNCED", "DELIVERED"]
    assert mx.received[0].recipients == ["ann@example.net"]
    assert "SMTPUTF8" not in mx.received[0].parameters


async def test_dsn_wishes_are_passed_on_where_dsn_is_offered(station: Station, mx: FarMx) -> None:
    mx.offers("DSN")
    asked = ParcelRecipient(
        1, parse_address("ann@example.net"), "SUCCESS,FAILURE", "rfc822;Ann+2Bx@example.net"
    )
    plain = ParcelRecipient(2, parse_address("ben@example.net"))
    outcomes = await station.send(parcel(recipients=(asked, plain), ret="HDRS", envid="QQ+3D314159"))
    assert all(outcome.passed_dsn_on for outcome in outcomes)
    message = mx.received[0]
    assert message.parameters[1:] == ["RET=HDRS", "ENVID=QQ+3D314159"]
    assert message.recipient_parameters == {
        "ann@example.net": ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Ann+2Bx@example.net"],
        "ben@example.net": [],
    }


async def test_the_null_path_goes_out_as_it_is(station: Station, mx: FarMx) -> None:
    (outcome,) = await station.send(parcel(sender=""))
    assert outcome.fate is Fate.DELIVERED
    assert mx.says("MAIL")[0].startswith("MAIL FROM:<> ")


@pytest.mark.parametrize(
    "address",
    ['"a b"@example.net'.replace(" ", "."), "o'hara+x=y@example.net", "a@[127.0.0.1]", '"a,b"@example.net'],
)
async def test_addresses_go_out_as_they_are(station: Station, mx: FarMx, address: str) -> None:
    """aiosmtplib would read them with the parser of message headers."""
    await station.send(parcel(address))
    assert mx.says("RCPT") == [f"RCPT TO:<{parse_address(address)}>"]


@pytest.mark.parametrize(
    "local_part",
    [
        "x\r\nRCPT TO:<evil@b.test>",
        "a> RCPT",
        "a@b.test,c",
        "\x00",
        "=?utf-8?q?x=0d=0aRCPT?=",
        "a\\",
        "tab\t",
    ],
)
async def test_an_address_that_reads_back_otherwise_is_never_sent(
    station: Station, mx: FarMx, local_part: str
) -> None:
    """An Address made behind the parser's back, say from a damaged store."""
    bad = ParcelRecipient(1, Address(local_part, "example.net"))
    good = ParcelRecipient(2, parse_address("ann@example.net"))
    outcomes = await station.send(parcel(recipients=(bad, good)))
    assert [outcome.fate for outcome in outcomes] == [Fate.DEFERRED, Fate.DELIVERED]
    assert outcomes[0].reply.code == 451
    assert mx.says("RCPT") == ["RCPT TO:<ann@example.net>"]
    assert not any("evil" in command for command in mx.commands)


@pytest.mark.parametrize("value", ["a b", "x\r\nRSET", "x\x00", "é", ""])
async def test_a_parameter_that_cannot_stand_in_a_command_is_left_out(
    station: Station, mx: FarMx, value: str
) -> None:
    mx.offers("DSN")
    recipient = ParcelRecipient(1, parse_address("ann@example.net"), value, value)
    (outcome,) = await station.send(parcel(recipients=(recipient,), ret=value, envid=value))
    assert outcome.fate is Fate.DELIVERED
    assert mx.received[0].recipient_parameters == {"ann@example.net": []}
    assert len(mx.received[0].parameters) == 1
