"""MAIL and RCPT parameters are read strictly, and their values keep their case."""

import pytest

from relay.address import NULL_PATH, Address
from relay.smtp_server.parameters import BadArgument, read_mail, read_rcpt
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener


def test_all_of_mail_at_once() -> None:
    envelope = read_mail(
        b"<Ann@Example.Test> size=1000 Body=8bitmime SMTPUTF8 AUTH=<> RET=hdrs ENVID=QQ+2B314159",
        offers_dsn=True,
    )
    assert envelope.reverse_path == Address("Ann", "example.test")
    assert (envelope.declared_size, envelope.is_8bit, envelope.smtputf8) == (1000, True, True)
    assert (envelope.ret, envelope.envid) == ("HDRS", "QQ+2B314159")


def test_nothing_said_is_nothing_wished() -> None:
    envelope = read_mail(b"<>", offers_dsn=True)
    assert envelope.reverse_path is NULL_PATH
    assert (envelope.declared_size, envelope.is_8bit, envelope.smtputf8) == (None, False, False)
    assert (envelope.ret, envelope.envid) == (None, None)


def test_all_of_rcpt_at_once() -> None:
    recipient = read_rcpt(
        b"<bob@example.test>  notify=success,DELAY ORCPT=RFC822;Bob+40Example.Test",
        smtputf8=False,
        offers_dsn=True,
    )
    assert recipient.address == Address("bob", "example.test")
    assert (recipient.notify, recipient.orcpt) == ("SUCCESS,DELAY", "RFC822;Bob+40Example.Test")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ("SIZE=0", None),
        ("SIZE=99999999999999999999", None),
        ("SIZE=100000000000000000000", "501 5.5.4"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=+1", "501 5.5.4"),
        ("SIZE=1_0", "501 5.5.4"),
        ("SIZE=\u0661", "501 5.5.4"),
        ("SIZE=1 SIZE=1", "501 5.5.4"),
        ("SIZE=1 size=2", "501 5.5.4"),
        ("BODY=7BIT", None),
        ("BODY=8BITMIME", None),
        ("BODY=BINARYMIME", "501 5.5.4"),
        ("BODY", "501 5.5.4"),
        ("SMTPUTF8", None),
        ("SMTPUTF8=1", "501 5.5.4"),
        ("AUTH=<>", None),
        ("AUTH=ann+40example.test", None),
        ("AUTH=ann@example.test", None),
        ("AUTH=a+4", "501 5.5.4"),
        ("AUTH=a+0D+0A", "501 5.5.4"),
        ("AUTH", "501 5.5.4"),
        ("RET=FULL", None),
        ("RET=HDRS", None),
        ("RET=NONE", "501 5.5.4"),
        ("RET", "501 5.5.4"),
        ("RET=FULL RET=FULL", "501 5.5.4"),
        ("ENVID=x", None),
        ("ENVID=" + "x" * 100, None),
        ("ENVID=" + "x" * 101, "501 5.5.4"),
        ("ENVID", "501 5.5.4"),
        ("ENVID=a=b", "501 5.5.4"),
        ("ENVID=a+2b", "501 5.5.4"),
        ("ENVID=a+0Ab", "501 5.5.4"),
        ("ENVID=a+7Fb", "501 5.5.4"),
        ("ENVID=\u00e9", "501 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("REQUIRETLS", "555 5.5.4"),
        ("HOLDFOR=10", "555 5.5.4"),
        ("X=1", "555 5.5.4"),
        ("=1", "501 5.5.4"),
        ("-X=1", "501 5.5.4"),
        ("SI\tZE=1", "501 5.5.4"),
        ("<b@c.test>", "501 5.5.4"),
    ],
)
def test_mail_parameters(parameters: str, code: str | None) -> None:
    assert _answer_to_mail(f"<a@b.test> {parameters}") == code


def _answer_to_mail(argument: str, *, offers_dsn: bool = True) -> str | None:
    try:
        read_mail(argument.encode(), offers_dsn=offers_dsn)
    except BadArgument as error:
        return f"{error.reply.code} {error.reply.enhanced}"
    return None


@pytest.mark.parametrize(
    ("parameters", "utf8", "code"),
    [
        ("NOTIFY=NEVER", False, None),
        ("NOTIFY=success,failure,delay", False, None),
        ("NOTIFY=NEVER,SUCCESS", False, "501 5.5.4"),
        ("NOTIFY=SUCCESS,SUCCESS", False, "501 5.5.4"),
        ("NOTIFY=SUCCESS,", False, "501 5.5.4"),
        ("NOTIFY=ALWAYS", False, "501 5.5.4"),
        ("NOTIFY", False, "501 5.5.4"),
        ("NOTIFY=NEVER NOTIFY=NEVER", False, "501 5.5.4"),
        ("ORCPT=rfc822;a@b.test", False, None),
        ("ORCPT=rfc822;a+2Bb@b.test", False, None),
        ("ORCPT=x-local;whatever", False, None),
        ("ORCPT=rfc822;" + "x" * 493, False, None),
        ("ORCPT=rfc822;" + "x" * 494, False, "501 5.5.4"),
        ("ORCPT=rfc822;", False, "501 5.5.4"),
        ("ORCPT=;a@b.test", False, "501 5.5.4"),
        ("ORCPT=a@b.test", False, "501 5.5.4"),
        ("ORCPT", False, "501 5.5.4"),
        ("ORCPT=rfc822;a+0D+0AX:y", False, "501 5.5.4"),
        ("ORCPT=rfc822;a+zz", False, "501 5.5.4"),
        ("ORCPT=rfc822;a ORCPT=rfc822;b", False, "501 5.5.4"),
        ("ORCPT=utf-8;\\x{FC}@b.test", False, None),
        ("ORCPT=utf-8;\u00fc@b.test", True, None),
        ("ORCPT=utf-8;\u00fc@b.test", False, "501 5.5.4"),
        ("ORCPT=rfc822;\u00fc@b.test", True, "501 5.5.4"),
        ("ORCPT=utf-8;a\u2028b", True, "501 5.5.4"),
        ("ORCPT=utf-8;a\u0085b", True, "501 5.5.4"),
        ("ORCPT=utf-8;\u00fc+0A", True, "501 5.5.4"),
        ("SIZE=1", False, "555 5.5.4"),
        ("RET=FULL", False, "555 5.5.4"),
    ],
)
def test_rcpt_parameters(parameters: str, utf8: bool, code: str | None) -> None:
    assert _answer_to_rcpt(f"<a@b.test> {parameters}", utf8) == code


def _answer_to_rcpt(argument: str, utf8: bool) -> str | None:
    try:
        read_rcpt(argument.encode(), smtputf8=utf8, offers_dsn=True)
    except BadArgument as error:
        return f"{error.reply.code} {error.reply.enhanced}"
    return None


@pytest.mark.parametrize("parameter", ["RET=FULL", "ENVID=x"])
def test_dsn_wishes_are_unknown_where_dsn_is_not_offered(parameter: str) -> None:
    assert _answer_to_mail(f"<a@b.test> {parameter}", offers_dsn=False) == "555 5.5.4"


# Finding 1 of the fault model, and its relatives: what other parsers take for an address.
BAD_PATHS = [
    "=?utf-8?q?x=0d=0aRCPT=20TO:=3Ca@b=3E?=@ours.test",
    "<=?utf-8?q?x=0d=0aRCPT=20TO:=3Ca@b=3E?=@ours.test>",
    "<=?utf-8?q?victim=40far.test=3E?=@ours.test>",
    "<=?utf-8?b?YUBi?=@ours.test>",
    '<"=?utf-8?q?x?="@ours.test>',
    "a@ours.test",
    "<a@ours.test",
    "a@ours.test>",
    "<<a@ours.test>>",
    "Ann <a@ours.test>",
    "<a@ours.test>, <b@far.test>",
    "<a@ours.test><b@far.test>",
    "<a@ours.test>b",
    "<a@ours.test,b@far.test>",
    "<a@ours.test b@far.test>",
    "<a@far.test@ours.test>",
    '<"a@far.test"@ours.test>',
    '<"a>b"@ours.test>',
    '<"a\\"b"@ours.test>',
    '<"a b"@ours.test>',
    '<"a\tb"@ours.test>',
    '<""@ours.test>',
    "<(comment)a@ours.test>",
    "<a(comment)@ours.test>",
    "<a@ours.test(comment)>",
    "<a@ours.test\x00>",
    "<a\x00b@ours.test>",
    "<a\rb@ours.test>",
    "<a\nb@ours.test>",
    "<.a@ours.test>",
    "<a.@ours.test>",
    "<a..b@ours.test>",
    "<a@>",
    "<@ours.test>",
    "<a>",
    "< a@ours.test >",
    "<a @ours.test>",
    "<a@ours..test>",
    "<a@-ours.test>",
    "<a@ours_.test>",
    "<a@192.0.2.1>",
    "<a@[192.0.2.1>",
    "<a@[300.0.2.1]>",
    "<a@[IPv6:::1%eth0]>",
    "<" + "a" * 65 + "@ours.test>",
    "<a@" + "b" * 64 + ".test>",
    "<a@" + "b." * 130 + "test>",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_nothing_unclear_passes_for_an_address(path: str) -> None:
    assert _answer_to_mail(path) == "501 5.1.7"
    assert _answer_to_mail(path + " SMTPUTF8") in ("501 5.1.7", "501 5.5.4")
    with pytest.raises(BadArgument) as refused:
        read_rcpt(path.encode(), smtputf8=True, offers_dsn=True)
    assert str(refused.value.reply).startswith("501 5.1.3")


@pytest.mark.parametrize("path", [path for path in BAD_PATHS if path.isprintable()])
async def test_nothing_unclear_passes_the_listener(path: str, client: Client) -> None:
    await client.hello()
    await client.say("MAIL FROM:<>")
    assert (await client.say(f"RCPT TO:{path}")).startswith("501 5.1.3 ")


@pytest.mark.parametrize("octets", [b"a\xffb", b"\xc3", b"\xed\xa0\x80", b"\xc0\xae"])
def test_broken_utf8_is_a_syntax_error(octets: bytes) -> None:
    with pytest.raises(BadArgument) as refused:
        read_mail(b"<" + octets + b"@b.test> SMTPUTF8", offers_dsn=True)
    assert str(refused.value.reply).startswith("501 5.5.2")


async def test_smtputf8_governs_addresses_in_utf8(client: Client) -> None:
    await client.hello()
    assert (await client.say("MAIL FROM:<\u00fc@b.test>")).startswith("553 5.6.7")
    assert (await client.say("MAIL FROM:<a@b\u00fccher.test>")).startswith("553 5.6.7")
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("250")
    assert (await client.say("RCPT TO:<\u00fc@b.test>")).startswith("553 5.6.7")
    await client.say("RSET")
    assert (await client.say("MAIL FROM:<\u00fc@b\u00fccher.test> SMTPUTF8")).startswith("250")
    assert (await client.say("RCPT TO:<\u00fc@b.test>")).startswith("250")


async def test_source_routes_are_dropped(client: Client) -> None:
    await client.hello()
    assert (await client.say("MAIL FROM:<@a.test,@b.test:ann@c.test>")).startswith("250")


async def test_too_large_is_said_before_it_is_sent(start: StartListener, connect: Connect) -> None:
    client = await connect(await start(message_size=1000))
    await client.hello()
    assert (await client.say("MAIL FROM:<a@b.test> SIZE=1001")).startswith("552 5.3.4")
    assert (await client.say("MAIL FROM:<a@b.test> SIZE=1000")).startswith("250")
