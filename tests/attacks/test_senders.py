"""Mail in somebody else's name: every way in which a header tells some reader of another author."""

import pytest

from tests.attacks.submitting import log_in, submit
from tests.flows.house import FAR, OURS, House
from tests.relay.smtp_server.client import Client

ME = f"app@{OURS}"
BOSS = f"boss@{OURS}"
CEO = f"ceo@{FAR}"
MINE = f"From: {ME}\r\n"

# Each names the boss or a stranger to some reader of mail; the mailbox is app's.
SPOOFS = {
    "another mailbox": f"From: {BOSS}",
    "another domain": f"From: {CEO}",
    "a name that is an address": f'From: "{ME}" <{BOSS}>',
    "an address in the comment": f"From: ({ME}) {BOSS}",
    "two authors": f"From: {ME}, {BOSS}",
    "two authors the other way round": f"From: {BOSS}, {ME}",
    "a group": f"From: us: {ME}, {BOSS};",
    "two From fields": f"{MINE}From: {BOSS}",
    "two From fields the other way round": f"From: {BOSS}\r\n{MINE}",
    "another case": f"{MINE}FROM: {BOSS}",
    "a space before the colon": f"{MINE}From : {BOSS}",
    "a tab before the colon": f"{MINE}From\t: {BOSS}",
    "a space before the name": f" From: {BOSS}\r\n{MINE}",
    "a hidden space before the colon": f"{MINE}From\u00a0: {BOSS}",
    "a byte order mark": f"\ufeffFrom: {BOSS}\r\n{MINE}",
    "a zero width joint": f"{MINE}From\u200b: {BOSS}",
    "an empty field before it": f"From:\r\n{MINE}",
    "an encoded word for an address": "From: =?utf-8?q?boss=40ours.test?=",
    "an encoded word beside an address": f"From: =?utf-8?b?Ym9zc0BvdXJzLnRlc3Q=?= {ME} <{BOSS}>",
    "an encoded angle": f"From: =?utf-8?q?=3Cboss=40ours=2Etest=3E?= {CEO}",
    "two addresses in angles": f"From: <{ME}> <{BOSS}>",
    "an angle within an angle": f"From: <{ME}<{BOSS}>>",
    "a missing angle": f"From: {ME} <{BOSS}",
    "a route": f"From: <@{FAR}:{BOSS}>",
    "a quoted address": f'From: "{ME}"@{FAR}',
    "a quote that does not end": f'From: "{ME} <{BOSS}>',
    "a comment that does not end": f"From: {ME} (<{BOSS}>",
    "a quoted pair": f'From: "x\\" <{ME}>" <{BOSS}>',
    "two at signs": f"From: boss@{OURS}@{FAR}",
    "a null in another script": f"From: app@{OURS}\u3002{FAR}",
    "letters of another script": f"From: \u0430pp@{OURS}",
    "a semicolon": f"From: {ME}; {BOSS}",
    "a folded address": f"From: {ME}\r\n ,\r\n {BOSS}",
    "no address": "From: The Boss",
    "no From": "Subject: no author",
    "a sender": f"{MINE}Sender: {BOSS}",
    "two senders": f"{MINE}Sender: {ME}\r\nSender: {CEO}",
    "sent on by another": f"{MINE}Resent-From: {BOSS}",
    "sent on for another": f"{MINE}Resent-Sender: {CEO}",
    "sent on twice": f"Resent-From: {ME}\r\nResent-From: {BOSS}\r\n{MINE}".rstrip(),
}
# One author to every reader; the name beside an address is the writer's own affair.
HONEST = [
    f"From: {ME}",
    f"From: <{ME}>",
    f'From: "The App" <{ME}>',
    f"From: =?utf-8?q?J=C3=B6rg?= <{ME}>",
    f"From: {ME} (a comment)",
    f"FROM:{ME.upper()}",
    f"From: app+orders@{OURS}",
]


def test_there_are_thirty_forms() -> None:
    assert len(SPOOFS) >= 30


async def answer_to(house: House, fields: str) -> str:
    return await submit(house, f"{fields}\r\nTo: ann@{FAR}\r\n\r\nPay at once.\r\n.\r\n".encode())


async def test_no_spoof_is_taken(house: House) -> None:
    await house.mailbox(BOSS)
    for name, fields in SPOOFS.items():
        reply = await answer_to(house, fields)
        assert reply.startswith(("550 5.6.0", "550 5.7.1", "553 5.7.1", "554 5.6.0")), (name, reply)
    await house.run_until_idle()
    assert house.mx.commands == []
    assert await house.count("messages") == 0


async def test_honest_forms_are_taken(house: House) -> None:
    for fields in HONEST:
        assert (await answer_to(house, fields)).startswith("250 "), fields


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"<{BOSS}>",
            f"<{CEO}>",
            f"<@{OURS}:{BOSS}>",
            f'<"app"@{FAR}>',
            f"<{ME}@{FAR}>",
            f"{ME}",
            f"<{ME}> <{BOSS}>",
        ),
        *(
            f"<app%{FAR}@{OURS}>",
            "<=?utf-8?q?app=40ours.test=3e?=@ours.test>",
            f"<{ME}\\@{FAR}>",
            "<postmaster>",
        ),
    ],
)
async def test_no_other_reverse_path_is_taken(house: House, path: str) -> None:
    await house.mailbox(BOSS)
    async with await Client.open(house.submission.port) as client:
        assert (await log_in(client, ME, house.passwords[ME])).startswith("235 ")
        assert (await client.say(f"MAIL FROM:{path}"))[:3] in ("501", "550", "553")
        # AUTH= names who is meant to have written it (RFC 4954 §5): it is heard and not believed.
        assert (await client.say(f"MAIL FROM:{path} AUTH=boss@ours.test"))[:3] in ("501", "550", "553")


async def test_a_result_that_a_sender_writes_himself_is_his_own(house: House) -> None:
    """It goes out as written, but never into a mailbox of ours under our name."""
    await house.mailbox(BOSS)
    forged = f"Authentication-Results: mail.{OURS}; dkim=pass header.d=bank.example\r\nFrom: evil@{FAR}\r\n"
    async with await Client.open(house.inbound.port) as client:
        await client.say("EHLO mx.far.example")
        await client.say(f"MAIL FROM:<evil@{FAR}>")
        await client.say(f"RCPT TO:<{BOSS}>")
        assert (await client.data(f"{forged}\r\nhello\r\n.\r\n".encode())).startswith("250 ")
    await house.run_until_idle()
    row = await house.station.db.fetch_one("select authentication from letters")
    assert row is not None
    assert "bank.example" not in str(row["authentication"])
