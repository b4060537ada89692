"""What guards hold waits for a person, who decides once: over the API, on the machine, or by an answer."""

import asyncio
import re
from typing import Any

import pytest

from relay.address import parse_address
from relay.approvals.clerk import Clerk
from relay.control.context import Context
from relay.control.operations import approvals as operations
from relay.control.operations import queue as queue_operations
from relay.control.operations.store import verify
from relay.control.registry import Nothing, find
from relay.estate import mailboxes as estate
from relay.events import audit
from relay.guards.approvals import AlreadyDecided
from relay.queue.state import State
from relay.tenants import approval_address
from relay.tenants.guards import Guards
from tests.api.client import Client
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS, House, Sent, letter
from tests.flows.letters import APP, post
from tests.flows.programs import program
from tests.flows.test_guards import BOB, guard, send

pytestmark = pytest.mark.both_engines

BOSS = f"boss@{OURS}"


async def boss(house: House) -> None:
    """Somebody of this house who approves; what is handed in here is authentic."""
    await house.mailbox(BOSS)


async def questions(house: House) -> list[bytes]:
    """The mail that asks the boss, oldest first."""
    return [await house.raw(message) for message in reversed(await house.received_by(BOSS))]


async def answer(house: House, question: bytes, text: str, *, sender: str = BOSS) -> Sent:
    """What a person answers with a mail program."""
    field = re.search(rb"\nReply-To:.*?<([^>]+)>", question, re.DOTALL)
    assert field is not None
    to = field[1].decode()
    house.clock.advance(seconds=1)  # what comes of it is newer
    sent = await house.submit(
        to=to, sender=sender, message=letter(sender, to, subject="Re: Approve? Hi", body=text)
    )
    await house.run_until_idle()
    return sent


async def held(house: House, **guards: Any) -> tuple[Client, Sent, str]:
    """A program whose message waits: the program, the message, the approval."""
    await guard(house, **{"approval": "always", **guards})
    client = await program(house)
    taken = await send(client)
    assert (taken.status, taken.json["status"]) == (202, "held")
    assert [each["reason"] for each in taken.json["recipients"]] == ["approval"]
    (approval,) = (await client.get("/v1/approvals?status=pending")).json["data"]
    await house.run_until_idle()
    assert house.mx.received == []
    return client, Sent(house, taken.json["id"]), approval["id"]


async def test_what_is_approved_goes(house: House) -> None:
    client, sent, approval = await held(house)
    (told,) = await sent.events("message.held")
    assert told.data == {"recipient": BOB, "reason": "approval", "approval_id": approval}
    decided = await client.post(f"/v1/approvals/{approval}/approve", {"reason": "a customer"})
    assert (decided.status, decided.json["status"], decided.json["reason"]) == (200, "approved", "a customer")
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED
    assert len(house.mx.received) == 1
    assert await house.used_today() == 1
    (news,) = await sent.events("approval.decided")
    assert news.data["decision"] == "approved"


async def test_what_is_rejected_is_canceled_and_costs_nothing(house: House) -> None:
    client, sent, approval = await held(house)
    assert await house.used_today() == 1
    assert (await client.post(f"/v1/approvals/{approval}/reject", {"reason": "no"})).json[
        "status"
    ] == "rejected"
    assert await sent.state() is State.CANCELED
    assert await house.used_today() == 0
    again = await client.post(f"/v1/approvals/{approval}/approve")
    assert (again.status, again.code) == (409, "already_decided")


async def test_one_of_many_decisions_at_once_counts(house: House) -> None:
    client, sent, approval = await held(house)
    path = f"/v1/approvals/{approval}"
    answers = await asyncio.gather(
        *(client.post(f"{path}/{'approve' if number % 2 else 'reject'}") for number in range(10))
    )
    assert sorted(each.status for each in answers) == [200] + [409] * 9
    await house.run_until_idle()
    assert len(house.mx.received) == (1 if await sent.state() is State.DELIVERED else 0)
    assert len(await sent.events("approval.decided")) == 1


async def test_a_submission_over_smtp_waits_as_well(house: House) -> None:
    await guard(house, approval="first_contact")
    first = await house.submit(to=BOB)
    assert await first.state() is State.HELD
    second = await house.submit(to=BOB)
    assert await second.state() is State.HELD
    client = await program(house)
    pending = (await client.get("/v1/approvals")).json["data"]
    assert [each["why"] for each in pending] == ["first_contact"] * 2
    assert (await client.post(f"/v1/approvals/{pending[1]['id']}/reject")).status == 200
    assert await (await house.submit(to=BOB)).state() is State.HELD  # nothing has gone there yet
    assert (await client.post(f"/v1/approvals/{pending[0]['id']}/approve")).status == 200
    third = await house.submit(to=BOB)
    await house.run_until_idle()
    assert await third.state() is State.DELIVERED


async def test_whom_the_inbox_wrote_to_before_is_no_first_contact(house: House) -> None:
    await house.submit(to=BOB)
    await guard(house, approval="first_contact")
    sent = await house.submit(to=BOB)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_the_allowance_moves_to_the_day_of_the_approval(house: House) -> None:
    client, sent, approval = await held(house)
    house.clock.advance(days=2)
    assert await house.used_today() == 0
    assert (await client.post(f"/v1/approvals/{approval}/approve")).status == 200
    assert await house.used_today() == 1
    rows = await house.station.db.fetch_all("select day, used from allowances order by day")
    assert [(row["day"], row["used"]) for row in rows] == [("2026-03-02", 0), ("2026-03-04", 1)]
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_what_is_approved_on_a_full_day_goes_on_the_next(house: House) -> None:
    client, sent, approval = await held(house)
    house.clock.advance(days=1)
    await house.station.db.transact(
        lambda tx: tx.execute(
            "insert into allowances (mailbox_id, day, tenant_id, used, warned)"
            " select id, '2026-03-03', tenant_id, 75, 3 from mailboxes"
        )
    )
    house.station.directory.forget()
    assert (await client.post(f"/v1/approvals/{approval}/approve")).status == 200
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.SCHEDULED
    house.clock.advance(days=1)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_what_is_scheduled_and_approved_still_waits_for_its_time(house: House) -> None:
    await guard(house, approval="always")
    client = await program(house)
    taken = await send(client, send_at="2026-03-05T12:00:00Z")
    assert taken.status == 202
    (approval,) = (await client.get("/v1/approvals")).json["data"]
    assert (await client.post(f"/v1/approvals/{approval['id']}/approve")).status == 200
    sent = Sent(house, taken.json["id"])
    await house.way_out.sweeper.keep_leases()
    await house.run_until_idle()
    assert await sent.state() is State.SCHEDULED
    house.clock.advance(days=3, hours=4)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_who_is_suppressed_meanwhile_is_not_written_to(house: House) -> None:
    client, sent, approval = await held(house)
    await house.suppress(BOB)
    assert (await client.post(f"/v1/approvals/{approval}/approve")).status == 200
    await house.run_until_idle()
    assert await sent.state() is State.SUPPRESSED
    assert await house.used_today() == 0


async def test_what_nobody_decides_in_time_is_canceled(make_house: MakeHouse) -> None:
    house = await make_house({"policy.approvals_expire_after": "2d"})
    client, sent, approval = await held(house)
    house.clock.advance(days=2)
    await house.run_until_idle()
    assert await sent.state() is State.CANCELED
    shown = (await client.get(f"/v1/approvals/{approval}")).json
    assert (shown["status"], shown["decided_by"]) == ("expired", "nobody")
    rows = await house.station.db.fetch_all("select used from allowances")
    assert [row["used"] for row in rows] == [0]
    assert (await client.post(f"/v1/approvals/{approval}/approve")).code == "already_decided"


async def test_a_repeated_request_is_answered_as_the_first(house: House) -> None:
    await guard(house, approval="always")
    client = await program(house)
    path, wish = f"/v1/inboxes/{APP}/messages", {"to": BOB, "subject": "Hi", "text": "Hello."}
    first = await client.post(path, wish, idempotency_key="one")
    second = await client.post(path, wish, idempotency_key="one")
    assert (first.status, second.status, second.body) == (202, 202, first.body)
    assert len((await client.get("/v1/approvals")).json["data"]) == 1


async def test_a_key_approves_only_with_the_scope_for_it(house: House) -> None:
    _, _, approval = await held(house)
    agent = await program(house, scopes=["messages:send", "approvals:read"])
    assert (await agent.get(f"/v1/approvals/{approval}")).status == 200
    assert (await agent.post(f"/v1/approvals/{approval}/approve")).code == "insufficient_scope"


async def test_a_guarded_key_finds_no_way_round(house: House) -> None:
    agent = await program(house, guards=Guards(approval="always"))
    assert (await send(agent)).status == 202
    made = await agent.post("/v1/keys", {"name": "free"})
    assert (await send(Client(agent.app, made.json["key"]))).status == 202
    for path in (f"/v1/inboxes/{APP}/guards", f"/v1/keys/{made.json['id']}/guards"):
        assert (await agent.request("PUT", path, {})).code == "insufficient_scope"
    assert (await agent.patch(f"/v1/inboxes/{APP}", {"smtp_password": True})).code == "insufficient_scope"


async def test_an_operator_who_lets_it_go_has_decided(house: House) -> None:
    client, sent, approval = await held(house)
    context = Context(house.station)
    (waiting,) = await operations.list_approvals(context, operations.ListApprovals())
    assert (waiting["id"], waiting["recipients"]) == (approval, [BOB])
    await queue_operations.release(context, queue_operations.Chosen(message=sent.id))
    assert (await client.get(f"/v1/approvals/{approval}")).json["status"] == "approved"
    with pytest.raises(AlreadyDecided):
        await operations.reject(context, operations.DecideApproval(id=approval))
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_what_waits_is_decided_after_its_inbox_is_gone(house: House) -> None:
    client, sent, approval = await held(house)
    inbox = await house.station.directory.mailbox_for_address(parse_address(APP))
    assert inbox is not None
    await estate.remove(house.station, inbox)
    assert (await client.post(f"/v1/approvals/{approval}/approve")).status == 200
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_each_of_a_batch_waits_for_itself(house: House) -> None:
    await guard(house, approval="first_contact")
    client = await program(house)
    emails = [{"from": APP, "to": to, "subject": "Hi", "text": "Hello."} for to in (BOB, f"carol@{FAR}")]
    answered = await client.post("/v1/emails/batch", {"emails": emails})
    assert [each["status"] for each in answered.json["results"]] == ["held", "held"]
    assert len((await client.get("/v1/approvals")).json["data"]) == 2


# By answering the mail that asks.


async def test_the_approver_is_asked_and_an_answer_decides(house: House) -> None:
    await boss(house)
    _, sent, approval = await held(house, approver=BOSS)
    (question,) = await questions(house)
    for told in (b"Approve? Hi", BOB.encode(), b"Hello.", approval.encode(), b"DKIM-Signature:"):
        assert told in question, told
    await answer(house, question, "\r\nApprove.\r\n\r\n-- \r\nThe boss\r\n")
    assert await sent.state() is State.DELIVERED
    (news,) = await sent.events("approval.decided")
    assert (news.data["decision"], news.data["by"]) == ("approved", BOSS)


async def test_whoever_decides_is_in_the_audit_log(house: House) -> None:
    """A key, the operator, an approver by mail, and the house where nobody did."""
    await boss(house)
    client, _, by_key = await held(house, approver=BOSS)
    await client.post(f"/v1/approvals/{by_key}/approve")
    waiting = [(await send(client)).json["id"] for _ in range(3)]
    rows = (await client.get("/v1/approvals?status=pending")).json["data"]
    of = {row["message_id"]: row["id"] for row in rows}
    by_operator, by_mail, by_nobody = (of[message] for message in waiting)
    decided = find("approval.reject")
    assert decided.run is not None
    await decided.run(Context(house.station), decided.read({"id": by_operator}))
    await house.run_until_idle()
    (question,) = [each for each in await questions(house) if by_mail.encode() in each]
    await answer(house, question, "no\r\n")
    house.clock.advance(days=30)
    await house.run_until_idle()
    shown = (await client.get(f"/v1/approvals/{by_key}")).json
    entries = await audit.page(house.station.db, audit.Asked(action="approval"), 10)
    assert {
        entry.target: (entry.actor.kind, entry.actor.id, entry.data["decision"]) for entry in entries
    } == {
        by_key: ("key", shown["decided_by"], "approved"),
        by_operator: ("operator", "approval.reject", "rejected"),
        by_mail: ("approver", BOSS, "rejected"),
        by_nobody: ("system", None, "expired"),
    }


async def test_an_answer_rejects_with_its_reason(house: House) -> None:
    await boss(house)
    client, sent, approval = await held(house, approver=BOSS)
    (question,) = await questions(house)
    await answer(house, question, "no\r\n\r\nWe do not know them.\r\n")
    assert await sent.state() is State.CANCELED
    shown = (await client.get(f"/v1/approvals/{approval}")).json
    assert (shown["status"], shown["reason"]) == ("rejected", "We do not know them.")


@pytest.mark.parametrize(
    "text", ["yes, but change the price", "no problem, send it", "What is this?", "> approve", ""]
)
async def test_words_that_are_no_plain_word_decide_nothing(house: House, text: str) -> None:
    await boss(house)
    _, sent, _ = await held(house, approver=BOSS)
    (question,) = await questions(house)
    await answer(house, question, f"{text}\r\n")
    assert await sent.state() is State.HELD
    (heard,) = await sent.events("approval.answered")
    assert heard.data["decision"] is None
    _, again = await questions(house)
    assert b"was not understood" in again
    await answer(house, again, "What?\r\n")
    assert len(await questions(house)) == 2  # said once
    await answer(house, again, "approve\r\n")
    assert await sent.state() is State.DELIVERED


async def test_somebody_else_decides_nothing(house: House) -> None:
    await boss(house)
    await house.mailbox(f"eve@{OURS}")
    _, sent, _ = await held(house, approver=BOSS)
    (question,) = await questions(house)
    await answer(house, question, "approve\r\n", sender=f"eve@{OURS}")
    assert await sent.state() is State.HELD


async def test_a_forged_author_decides_nothing(house: House) -> None:
    await boss(house)
    _, sent, _ = await held(house, approver=BOSS)
    to = approval_address.encode(sent.id, house.station.bounce_secret, OURS)
    forged = letter(BOSS, str(to), body="approve\r\n")
    await post(house, forged, str(to), sender=BOSS)
    await house.run_until_idle()
    (heard,) = await sent.events("approval.answered")
    assert (heard.data["from"], heard.data["authentic"]) == (BOSS, False)
    assert await sent.state() is State.HELD


async def test_an_address_that_we_did_not_make_is_nobodys(house: House) -> None:
    _, sent, _ = await held(house)
    forged = approval_address.encode(sent.id, b"guessed", OURS)
    with pytest.raises(AssertionError, match=r"550 5\.1\.1"):
        await post(house, letter(BOSS, str(forged)), str(forged))
    assert parse_address(str(forged)) == forged


async def test_an_answer_is_no_letter_of_the_inbox_that_asked(house: House) -> None:
    """Whoever sent what waits would read there the address that is proof."""
    await boss(house)
    client, sent, _ = await held(house, approver=BOSS)
    (question,) = await questions(house)
    quoted = re.search(rb"<(a\+[^>]+)>", question)
    assert quoted is not None
    await answer(house, question, f"What is this? You wrote from {quoted[1].decode()}:\r\n")
    found = (await client.get(f"/v1/inboxes/{APP}/messages?direction=in")).json["data"]
    assert found == []
    assert await house.received_by(APP) == []
    to = str(approval_address.encode(sent.id, house.station.bounce_secret, OURS)).partition("@")[0]
    told = await house.station.db.fetch_all("select data from events where mailbox_id is not null")
    inbox = await house.station.directory.mailbox_for_address(parse_address(APP))
    assert inbox is not None
    about = await house.station.db.fetch_all("select data from events where mailbox_id = $1", inbox.id)
    assert told
    assert not any(to in row["data"] for row in about)
    assert (await verify(Context(house.station), Nothing()))["problems"] == []


async def test_an_absent_approver_decides_nothing(house: House) -> None:
    await boss(house)
    _, sent, _ = await held(house, approver=BOSS)
    (question,) = await questions(house)
    to = re.search(rb"\nReply-To:.*?<([^>]+)>", question, re.DOTALL)
    assert to is not None
    away = f"Auto-Submitted: auto-replied\r\nFrom: {BOSS}\r\nSubject: away\r\n\r\nyes\r\n".encode()
    await house.submit(to=to[1].decode(), sender=BOSS, message=away)
    await house.run_until_idle()
    assert await sent.state() is State.HELD


async def test_one_is_asked_once_by_however_many_nodes(house: House) -> None:
    await boss(house)
    await guard(house, approval="always", approver=BOSS)
    await house.submit(to=[BOB, f"carol@{FAR}"])
    others = [Clerk(house.station, house.way_out.acceptor) for _ in range(3)]
    await asyncio.gather(*(clerk.step() for clerk in others))
    await house.run_until_idle()
    await Clerk(house.station, house.way_out.acceptor).step()
    await house.run_until_idle()
    assert len(await questions(house)) == 1


async def test_an_answer_that_was_heard_is_followed_after_a_crash(house: House) -> None:
    await boss(house)
    _, sent, _ = await held(house, approver=BOSS)
    (question,) = await questions(house)
    await house.clerk.pause(house.station.config.server.drain_timeout)
    await answer(house, question, "yes\r\n")
    assert await sent.state() is State.HELD
    house.clerk = Clerk(house.station, house.way_out.acceptor)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED


async def test_a_trial_waits_too_and_asks_nobody(house: House) -> None:
    await boss(house)
    await guard(house, approval="first_contact", approver=BOSS, new_recipients_per_day=0)
    tester = await program(house, mode="test")
    taken = await send(tester)
    assert taken.status == 202
    await house.run_until_idle()
    assert await questions(house) == []
    (approval,) = (await tester.get("/v1/approvals")).json["data"]
    assert (await (await program(house)).get("/v1/approvals")).json["data"] == []
    assert (await tester.post(f"/v1/approvals/{approval['id']}/approve")).status == 200
    await house.run_until_idle()
    assert await Sent(house, taken.json["id"]).state() is State.DELIVERED
    assert house.mx.received == []
