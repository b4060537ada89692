"""Senders hear what they asked to hear, once, and nobody is ever told about a notice (RFC 3461, RFC 3464)."""

import pytest

from relay.events import log
from relay.message import dsn
from relay.queue.state import State
from relay.store.database import Transaction
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, letter

ANN = f"ann@{FAR}"
ME = f"app@{OURS}"


def says_dsn(house: House) -> None:
    house.mx.offers("DSN")


async def test_a_failure_notice_says_who_why_and_about_what(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    written = letter(ME, ANN, subject="Invoice 7")
    sent = await house.submit(to=ANN, message=written, mail_options=["ENVID=order+2B7"])
    await house.run_until_idle()

    (notice,) = await house.notices()
    assert notice.message["Return-Path"] == "<>"
    assert notice.message["To"] == ME
    assert notice.message["Auto-Submitted"] == "auto-replied"
    assert notice.message["In-Reply-To"] == (await sent.stored()).message_id
    assert notice.message.get_content_type() == "multipart/report"
    assert notice.about["Reporting-MTA"] == "dns; mail.ours.test"
    assert notice.about["Original-Envelope-Id"] == "order+7"
    (about,) = notice.recipients
    assert about["Final-Recipient"] == f"rfc822; {ANN}"
    assert about["Action"] == "failed"
    assert about["Status"] == "5.1.1"
    assert about["Remote-MTA"] == f"dns; mx.{FAR}"
    assert about["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert b"Subject: Invoice 7" in notice.original
    assert b"Hello." not in notice.original


async def test_the_whole_message_goes_back_where_it_was_asked_for(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    large = letter(ME, ANN, body="x" * 70 + "\r\n") + (b"y" * 70 + b"\r\n") * 4000
    await house.submit(to=ANN, message=large, mail_options=["RET=FULL"])
    await house.run_until_idle()
    (notice,) = await house.notices()
    assert notice.original.count(b"y" * 70) == 4000
    assert house.leftovers() == []


async def test_the_original_recipient_comes_back_as_it_was_given(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit(to=ANN, rcpt_options=["ORCPT=rfc822;Ann+2Bnews@Far.example"])
    await house.run_until_idle()
    (notice,) = await house.notices()
    assert notice.recipients[0]["Original-Recipient"] == "rfc822; Ann+news@Far.example"


@pytest.mark.parametrize(
    ("notify", "answer", "expected"),
    [
        (None, "550 5.1.1 no", ["failed"]),
        ("FAILURE", "550 5.1.1 no", ["failed"]),
        ("NEVER", "550 5.1.1 no", []),
        ("DELAY", "550 5.1.1 no", []),
        ("SUCCESS", "550 5.1.1 no", []),
        (None, "250 2.1.5 ok", []),
        ("FAILURE,DELAY", "250 2.1.5 ok", []),
        ("SUCCESS", "250 2.1.5 ok", ["relayed"]),
        ("success,failure", "250 2.1.5 ok", ["relayed"]),
    ],
)
async def test_notices_are_those_that_were_asked_for(
    house: House, notify: str | None, answer: str, expected: list[str]
) -> None:
    house.mx.answers(ANN, answer)
    await house.submit(to=ANN, rcpt_options=[f"NOTIFY={notify}"] if notify else [])
    await house.run_until_idle()
    assert [action for notice in await house.notices() for action in notice.actions] == expected


@pytest.mark.parametrize(("notify", "expected"), [("DELAY", 1), ("FAILURE", 0), ("NEVER", 0)])
async def test_of_a_delay_hears_who_asked(house: House, notify: str, expected: int) -> None:
    house.mx.answers("RCPT", "450 4.2.0 not now")
    await house.submit(to=ANN, rcpt_options=[f"NOTIFY={notify}"])
    for _ in range(30):
        await house.run_until_idle()
        house.clock.advance(minutes=15)
    assert len(await house.notices()) == expected


async def test_wishes_are_carried_on_to_a_server_that_knows_them(house: House) -> None:
    says_dsn(house)
    sent = await house.submit(
        to=ANN,
        mail_options=["RET=HDRS", "ENVID=Q+2B7"],
        rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Ann@Far.example"],
    )
    await house.run_until_idle()
    (arrived,) = house.mx.received
    assert {"RET=HDRS", "ENVID=Q+2B7"} <= set(arrived.parameters)
    assert arrived.recipient_parameters[ANN] == ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Ann@Far.example"]
    # That server writes the notice.
    assert await house.notices() == []
    (delivered,) = await sent.events("message.delivered")
    assert delivered.data["passed_dsn_on"] is True


async def test_a_local_recipient_is_reported_delivered(house: House) -> None:
    await house.mailbox(f"bob@{OURS}")
    await house.submit(to=f"bob@{OURS}", rcpt_options=["NOTIFY=SUCCESS"])
    await house.run_until_idle()
    (notice,) = await house.notices()
    assert notice.actions == ["delivered"]
    assert notice.recipients[0]["Remote-MTA"] is None


async def test_the_null_path_is_told_nothing(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    sent = await house.submit(to=ANN, reverse_path="")
    await house.run_until_idle()
    assert await sent.state() is State.BOUNCED
    assert await house.notices() == []
    assert await house.count("messages") == 1


async def test_a_notice_that_bounces_calls_for_no_other(make_house: MakeHouse) -> None:
    house = await make_house()
    await house.domain("remote.test", receives=False)
    await house.mailbox("robots@remote.test", senders=["robot-*@remote.test"])
    house.dns.mx("remote.test", (10, f"mx.{FAR}"))
    house.mx.answers("RCPT", "550 5.1.1 no such user")
    await house.submit(to=ANN, sender="robot-7@remote.test", login="robots@remote.test")
    await house.run_until_idle()
    # The message and one notice, which went out with the null path and bounced too.
    assert await house.count("messages") == 2
    assert house.mx.says("MAIL")[-1].startswith("MAIL FROM:<>")
    row = await house.station.db.fetch_one("select state, notify from recipients order by id desc limit 1")
    assert row is not None
    assert (row["state"], row["notify"]) == ("bounced", "NEVER")


async def test_dying_between_notice_and_cursor_repeats_no_notice(house: House) -> None:
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit(to=ANN)
    await house.run_until_idle()
    assert len(await house.notices()) == 1

    async def forget(tx: Transaction) -> None:
        await tx.execute("update cursors set seq = 0 where name = 'notify'")

    await house.station.db.transact(forget)
    await house.run_until_idle()
    assert len(await house.notices()) == 1


async def test_one_notice_tells_of_all_that_failed_together(house: House) -> None:
    people = [f"p{number}@{FAR}" for number in range(45)]
    house.mx.answers("RCPT", "550 5.1.1 no such user")
    await house.submit(to=people)
    await house.run_until_idle()
    notices = await house.notices()
    assert sorted(len(notice.recipients) for notice in notices) == [5, 20, 20]


async def test_it_goes_to_the_submitter_though_the_envelope_carries_a_bounce_address(house: House) -> None:
    await house.domain("signed.test", bounces=True)
    await house.mailbox("app@signed.test")
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit(to=ANN, sender="app@signed.test")
    await house.run_until_idle()
    assert "@bounces.signed.test>" in house.mx.says("MAIL")[0]
    (notice,) = await house.notices("app@signed.test")
    assert notice.message["To"] == "app@signed.test"


async def test_a_message_whose_notice_cannot_be_written_does_not_silence_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch, faults_of_ours: list[str]
) -> None:
    faults_of_ours.append("could not be told")
    house.mx.answers("RCPT", "550 5.1.1 no such user")
    await house.submit(to=ANN, message=letter(ME, ANN, subject="poison"))
    await house.submit(to=ANN, message=letter(ME, ANN, subject="innocent"))

    def fragile(report: dsn.Dsn) -> tuple[bytes, bytes]:
        if b"poison" in report.original_header:
            raise RuntimeError("a bug")
        return dsn.build_dsn(report)

    monkeypatch.setattr("relay.dispatch.notify.build_dsn", fragile)
    for _ in range(4):
        await house.run_until_idle()
    (notice,) = await house.notices()
    assert b"innocent" in notice.original
    assert await log.read_cursor(house.station.db, "notify") > 0
