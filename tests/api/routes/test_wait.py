"""Waiting for a message: answered at once where it is there, as soon as it comes, and with null in time."""

import asyncio
from typing import Any

import pytest

from relay.tenants import key_changes
from tests.api.client import Answer, Client
from tests.api.conftest import OURS
from tests.api.mail.desk import FAR, Desk, mail, problem


async def wait(desk: Desk, query: str = "timeout=0") -> Any:
    """The id of the message that was waited for, or None."""
    message = (await desk.get(f"/messages/wait?{query}"))["message"]
    return message and message["id"]


async def begin(desk: Desk, query: str, client: Client | None = None) -> "asyncio.Task[Answer]":
    """Somebody who waits already."""
    watch, waits = desk.api.house.watch, asyncio.Event()
    wait_beyond = watch.wait_beyond

    async def told(seq: int, timeout: float) -> int:
        waits.set()
        return await wait_beyond(seq, timeout)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "wait_beyond", told)
        task = asyncio.create_task((client or desk.api.live).get(f"{desk.path}/messages/wait?{query}"))
        await waits.wait()
    return task


async def test_what_came_after_a_message_is_there_at_once(desk: Desk) -> None:
    first = (await desk.arrives(mail())).message_id
    second = (await desk.arrives(mail())).message_id
    await desk.arrives(mail())
    assert await wait(desk, f"timeout=60&after={first}") == second


async def test_what_was_there_already_is_not_waited_for(desk: Desk) -> None:
    await desk.arrives(mail())
    assert await wait(desk) is None
    assert await wait(desk, "timeout=1") is None


async def test_it_comes_as_soon_as_it_is_filed(desk: Desk) -> None:
    waiting = await begin(desk, "timeout=60")
    await desk.send()  # our own mail is not waited for
    came = await desk.arrives(mail())
    desk.api.house.watch.nudge()
    answer = await waiting
    assert answer.json["message"] == await desk.get(f"/messages/{came.message_id}")
    assert answer.json["message"]["text"].strip() == "Tuesday suits us."


async def test_mail_in_the_same_instant_is_new_all_the_same(desk: Desk) -> None:
    """It came before the question and was read after it."""
    waiting = await begin(desk, "timeout=60")
    desk.api.clock.advance(seconds=-5)
    came = await desk.arrives(mail())
    assert (await waiting).json["message"]["id"] == came.message_id


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (f"sender=BOB@{FAR}", True),
        (f"sender=carol@{FAR}", False),
        ("subject=OFFER", True),
        ("subject=invoice", False),
        (f"subject=stra%C3%9Fe&sender=bob@{FAR}", False),
    ],
)
async def test_only_what_fits(desk: Desk, query: str, *, fits: bool) -> None:
    first = (await desk.arrives(mail())).message_id
    came = await desk.arrives(mail(subject="Your offer", sender=f"bob@{FAR}"))
    assert await wait(desk, f"timeout=0&after={first}&{query}") == (came.message_id if fits else None)


async def test_it_is_found_behind_hundreds_that_do_not_fit(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.waiting.AT_ONCE", 2)
    first = (await desk.arrives(mail())).message_id
    for _ in range(5):
        await desk.arrives(mail(subject="Noise"))
    came = await desk.arrives(mail(subject="Signal"))
    assert await wait(desk, f"timeout=0&after={first}&subject=signal") == came.message_id


async def test_only_of_a_thread_also_under_its_old_id(desk: Desk) -> None:
    one, two = await desk.send(), await desk.send()
    first = (await desk.arrives(mail())).message_id
    await desk.post(f"/threads/{two['thread_id']}/merge", {"thread_id": one["thread_id"]})
    await desk.arrives(mail())
    came = await desk.arrives(mail(f"In-Reply-To: {one['message_id']}"))
    for thread in (one["thread_id"], two["thread_id"]):
        assert await wait(desk, f"timeout=0&after={first}&thread={thread}") == came.message_id


async def test_what_was_put_aside_does_not_end_it(desk: Desk) -> None:
    first = (await desk.arrives(mail())).message_id
    await desk.block(f"eve@{FAR}")
    await desk.arrives(mail(sender=f"eve@{FAR}"))
    assert await wait(desk, f"timeout=0&after={first}") is None


async def test_a_closing_house_lets_everybody_go(desk: Desk) -> None:
    waiting = await begin(desk, "timeout=60")
    desk.api.house.watch.close()
    assert (await waiting).json == {"message": None}


async def test_a_revoked_key_waits_no_longer(desk: Desk) -> None:
    fresh = await desk.api.key()
    task = await begin(desk, "timeout=60", Client(desk.api.live.app, fresh.secret))
    db, clock = desk.api.house.db, desk.api.clock
    await db.transact(lambda tx: key_changes.revoke(tx, clock, fresh.key.tenant_id, fresh.key.id))
    await desk.send()  # something happens
    assert (await task).json == {"message": None}


async def test_what_cannot_be_waited_for_is_422(desk: Desk) -> None:
    other = await desk.api.mailbox(f"other@{OURS}")
    elsewhere = await desk.arrives(mail(), mailbox=other)
    for query, path in (
        ("after=msg_nothing", "?after"),
        (f"after={elsewhere.message_id}", "?after"),
        ("timeout=61", "?timeout"),
        ("timeout=-1", "?timeout"),
        ("sender=nobody", "?sender"),
    ):
        answer = await desk.api.live.get(f"{desk.path}/messages/wait?{query}")
        assert problem(answer) == (422, "validation_error", path)
