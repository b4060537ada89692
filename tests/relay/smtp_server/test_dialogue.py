"""A session says what RFC 5321 says, in the order it allows, with an enhanced code each time."""

import re

import pytest

from relay.address import NULL_PATH, POSTMASTER
from relay.errors import Refusal, StoreUnavailable
from relay.replies import SmtpReply
from relay.smtp_server import SmtpListener
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

MESSAGE = b"Subject: x\r\n\r\nhi\r\n.\r\n"
ENHANCED = re.compile(r"([245])\d\d([ -])\1\.\d{1,3}\.\d{1,3} \S")


async def test_a_message_reaches_the_door_as_it_was_sent(client: Client, door: RecordingDoor) -> None:
    assert client.greeting == "220 mx.example.test ESMTP Posthouse"
    await client.start_mail("bob@example.test", "eve@example.test")
    reply = await client.data(b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n")
    assert reply == "250 2.0.0 queued as msg_test"
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    assert await client.is_closed()
    assert door.mail_bytes == [b"Subject: x\r\n\r\n.dot\r\nend\r\n"]
    assert [str(r.address) for r in door.taken[0].envelope.recipients] == [
        "bob@example.test",
        "eve@example.test",
    ]


async def test_ehlo_offers_what_the_listener_has(start: StartListener, connect: Connect) -> None:
    client = await connect(await start(message_size=1000, offers_dsn=False))
    assert (await client.hello()).split("\n") == [
        "250-mx.example.test",
        "250-SIZE 1000",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250 ENHANCEDSTATUSCODES",
    ]
    assert (await (await connect(await start())).hello()).endswith("\n250 DSN")
    assert await client.say("HELO client.example") == "250 mx.example.test"


async def test_session_tells_who_is_there(client: Client, door: RecordingDoor) -> None:
    await client.hello()
    (session,) = door.sessions
    assert (str(session.peer), session.local, session.helo) == ("127.0.0.1", "smtp", "client.example")
    assert session.esmtp
    assert session.tls is None
    assert session.id.startswith("ses_")
    assert session.port == client.writer.get_extra_info("sockname")[1]
    await client.say("HELO old.example")
    assert (session.helo, session.esmtp) == ("old.example", False)


# What was said before, the command, and the answer; <m> = MAIL, <r> = RCPT.
TABLE = [
    ([], "MAIL FROM:<a@b.test>", "503 5.5.1"),
    ([], "RCPT TO:<a@b.test>", "503 5.5.1"),
    ([], "DATA", "503 5.5.1"),
    ([], "RSET", "250 2.0.0"),
    ([], "NOOP", "250 2.0.0"),
    ([], "NOOP whatever", "250 2.0.0"),
    ([], "VRFY ann", "252 2.5.0"),
    ([], "VRFY", "252 2.5.0"),
    ([], "EXPN list", "502 5.5.1"),
    ([], "HELP", "214 2.0.0"),
    ([], "HELP MAIL", "214 2.0.0"),
    ([], "EHLO", "501 5.5.4"),
    ([], "HELO", "501 5.5.4"),
    ([], "EHLO " + "x" * 256, "501 5.5.4"),
    ([], "AUTH PLAIN", "502 5.5.1"),
    ([], "STARTTLS", "502 5.5.1"),
    ([], "WHATEVER", "500 5.5.1"),
    ([], "", "500 5.5.1"),
    ([], "QUIT now", "501 5.5.4"),
    ([], "QUIT", "221 2.0.0"),
    (["<e>"], "MAIL FROM:<a@b.test>", "250 2.1.0"),
    (["<e>"], "mail from:<a@b.test>", "250 2.1.0"),
    (["<e>"], "MAIL FROM: <a@b.test>", "250 2.1.0"),
    (["<e>"], "MAIL FROM:<>", "250 2.1.0"),
    (["<e>"], "MAIL", "501 5.5.4"),
    (["<e>"], "MAIL TO:<a@b.test>", "501 5.5.4"),
    (["<e>"], "RCPT TO:<a@b.test>", "503 5.5.1"),
    (["<e>"], "DATA", "503 5.5.1"),
    (["<e>"], "AUTH PLAIN", "502 5.5.1"),
    (["HELO x"], "MAIL FROM:<a@b.test>", "250 2.1.0"),
    (["HELO x"], "AUTH PLAIN", "502 5.5.1"),
    (["<e>", "<m>"], "MAIL FROM:<a@b.test>", "503 5.5.1"),
    (["<e>", "MAIL FROM:<>"], "MAIL FROM:<a@b.test>", "503 5.5.1"),
    (["<e>", "<m>"], "DATA", "554 5.5.1"),
    (["<e>", "<m>"], "AUTH PLAIN", "502 5.5.1"),
    (["<e>", "<m>"], "RCPT", "501 5.5.4"),
    (["<e>", "<m>"], "RCPT FROM:<a@b.test>", "501 5.5.4"),
    (["<e>", "<m>"], "RCPT TO:<nobody@b.test>", "550 5.1.1"),
    (["<e>", "<m>", "RCPT TO:<nobody@b.test>"], "DATA", "554 5.5.1"),
    (["<e>", "<m>", "RCPT TO:<nobody@b.test>", "<r>"], "DATA", "354 "),
    (["<e>", "<m>", "<r>"], "DATA", "354 "),
    (["<e>", "<m>", "<r>"], "DATA now", "501 5.5.4"),
    (["<e>", "<m>", "<r>", "RSET"], "DATA", "503 5.5.1"),
    (["<e>", "<m>", "<r>", "RSET now"], "DATA", "354 "),
    (["<e>", "<m>", "<r>", "<e>"], "DATA", "503 5.5.1"),
    (["<e>", "<m>", "<r>", "<e>"], "MAIL FROM:<a@b.test>", "250 2.1.0"),
    (["<e>", "<m>", "<r>", "HELO x"], "RCPT TO:<a@b.test>", "503 5.5.1"),
    (["<e>", "<m>", "<r>", "EHLO"], "DATA", "354 "),
    (["<e>", "<m>", "<r>", "NOOP", "VRFY x"], "DATA", "354 "),
    (["<e>", "<m>", "RSET"], "MAIL FROM:<a@b.test>", "250 2.1.0"),
]
SHORT = {"<e>": "EHLO x", "<m>": "MAIL FROM:<a@b.test>", "<r>": "RCPT TO:<a@b.test>"}


@pytest.mark.parametrize(("before", "command", "answer"), TABLE)
async def test_each_command_has_its_place(
    before: list[str], command: str, answer: str, client: Client
) -> None:
    for earlier in before:
        await client.say(SHORT.get(earlier, earlier))
    reply = await client.say(command)
    assert reply.startswith(answer)
    assert ENHANCED.match(reply) or reply.startswith("354 ")


@pytest.mark.parametrize("error", [None, Refusal("no"), StoreUnavailable("full"), RuntimeError("broken")])
async def test_after_data_the_transaction_is_over(
    error: Exception | None, client: Client, door: RecordingDoor
) -> None:
    if error is not None:
        door.fails["content"] = error
    for _ in range(2):
        await client.start_mail()
        await client.data(MESSAGE)
        assert (await client.say("DATA")).startswith("503 5.5.1")
        assert (await client.say("RCPT TO:<a@b.test>")).startswith("503 5.5.1")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (Refusal("x", SmtpReply(450, "4.2.1", "Later")), "450 4.2.1 Later"),
        (StoreUnavailable("x"), "451 4.3.0 Temporary failure on our side, please try again"),
        (StoreUnavailable("x", SmtpReply(452, "4.3.1", "Full")), "452 4.3.1 Full"),
        (RuntimeError("secret path /var/lib/x"), "451 4.3.0 Temporary failure"),
        (TimeoutError("secret"), "451 4.3.0 Temporary failure"),
        (OSError(28, "secret: no space left"), "452 4.3.1 Not enough room"),
    ],
)
async def test_trouble_behind_the_door_is_temporary_and_leaks_nothing(
    error: Exception, answer: str, client: Client, door: RecordingDoor, caplog: pytest.LogCaptureFixture
) -> None:
    door.fails["content"] = error
    await client.start_mail()
    reply = await client.data(MESSAGE)
    assert reply.startswith(answer)
    assert "secret" not in reply
    if "id=" in reply:
        assert f"id={door.sessions[0].id}" in reply
        assert f"{door.sessions[0].id} fault of ours" in caplog.text


@pytest.mark.parametrize("method", ["mail", "recipient"])
async def test_faults_before_the_content_are_temporary_too(
    method: str, client: Client, door: RecordingDoor
) -> None:
    await client.hello()
    door.fails[method] = RuntimeError("secret")
    replies = [await client.say("MAIL FROM:<a@b.test>"), await client.say("RCPT TO:<a@b.test>")]
    assert f"451 4.3.0 Temporary failure on our side, please try again; id={door.sessions[0].id}" in replies
    door.fails.clear()
    await client.start_mail()
    assert await client.data(MESSAGE) == "250 2.0.0 queued as msg_test"


async def test_a_fault_at_one_recipient_does_not_refuse_the_next(client: Client, door: RecordingDoor) -> None:
    await client.start_mail("bob@example.test")
    door.fails["recipient"] = RuntimeError("broken for a moment")
    assert (await client.say("RCPT TO:<eve@example.test>")).startswith("451 4.3.0")
    door.fails.clear()
    assert (await client.say("RCPT TO:<joe@example.test>")).startswith("250 2.1.5")
    await client.data(MESSAGE)
    assert [r.address.local_part for r in door.taken[0].envelope.recipients] == ["bob", "joe"]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (Refusal("x", SmtpReply(554, "5.7.1", "Not you")), "554 5.7.1 Not you"),
        (Refusal("x", SmtpReply(550, "5.7.1", "Not you")), "554 5.7.1 Not you"),
        (Refusal("x", SmtpReply(451, "4.7.1", "Not now")), "421 4.7.1 Not now"),
        (RuntimeError("x"), "421 4.3.0 Temporary failure"),
    ],
)
async def test_a_client_that_is_turned_away_gets_one_line(
    error: Exception, answer: str, listener: SmtpListener, connect: Connect, door: RecordingDoor
) -> None:
    door.fails["connected"] = error
    client = await connect(listener)
    assert client.greeting.startswith(answer)
    assert await client.is_closed()


async def test_null_sender_and_postmaster_have_their_constants(client: Client, door: RecordingDoor) -> None:
    await client.hello()
    await client.say("MAIL FROM:<>")
    assert (await client.say("RCPT TO:<PostMaster>")).startswith("250 2.1.5")
    assert door.envelopes[0].reverse_path is NULL_PATH
    assert door.recipients[0].address == POSTMASTER
    assert str(POSTMASTER) == "postmaster"
    assert (await client.say("RCPT TO:<ann>")).startswith("501 5.1.3")
    await client.say("RSET")
    assert (await client.say("MAIL FROM:<postmaster>")).startswith("501 5.1.7")


async def test_pipelined_commands_are_answered_in_order(client: Client, door: RecordingDoor) -> None:
    client.send(
        b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<nobody@d.test>\r\nDATA\r\n"
        b"A: 1\r\n\r\nfirst\r\n.\r\nMAIL FROM:<e@f.test>\r\nRCPT TO:<g@h.test>\r\nDATA\r\n"
        b"A: 2\r\n\r\nsecond\r\n.\r\nQUIT\r\n"
    )
    codes = [reply[:3] for reply in await client.hear_all()]
    assert codes == ["250", "250", "250", "550", "354", "250", "250", "250", "354", "250", "221"]
    assert door.mail_bytes == [b"A: 1\r\n\r\nfirst\r\n", b"A: 2\r\n\r\nsecond\r\n"]


async def test_a_client_that_closes_its_side_early_still_hears_the_end(
    client: Client, door: RecordingDoor
) -> None:
    client.send(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nA: 1\r\n\r\n.\r\nQUIT\r\n")
    client.writer.write_eof()
    assert [reply[:3] for reply in await client.hear_all()] == ["250", "250", "250", "354", "250", "221"]
    assert len(door.taken) == 1


async def test_a_client_that_leaves_mid_message_leaves_nothing(
    client: Client, listener: SmtpListener, door: RecordingDoor
) -> None:
    await client.start_mail()
    assert (await client.say("DATA")).startswith("354")
    client.send(b"A: b\r\n\r\nhalf of it\r\n")
    client.writer.write_eof()
    assert await client.is_closed()
    assert door.taken == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("under_score", "under_score"),
        ("a (b) <c>", "a??b???c?"),
        ('x"y;z,w\\v@u', "x?y?z?w?v?u"),
        ("b\u00fccher", "b??cher"),
    ],
)
async def test_names_of_clients_are_harmless(
    name: str, kept: str, client: Client, door: RecordingDoor
) -> None:
    assert (await client.say(f"EHLO {name}")).startswith("250")
    assert door.sessions[0].helo == kept


async def test_replies_of_doors_cannot_break_the_wire(client: Client, door: RecordingDoor) -> None:
    door.reply = SmtpReply(250, "2.0.0", "one\ntwo\rthree \x00 \u00fc " + "x" * 600)
    await client.start_mail()
    first, second = (await client.data(MESSAGE)).split("\n")
    assert first == "250-2.0.0 one"
    assert second.startswith("250 2.0.0 two?three ? ? xxx")
    assert len(second) == 510
