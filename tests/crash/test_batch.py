"""A batch in whose midst the daemon dies is completed by the same request, or else by the next daemon."""

import asyncio
import os
import signal
from collections.abc import Mapping
from datetime import timedelta

import httpx2
import pytest

from relay.clock import SystemClock
from tests.crash.inside import Places, batches, states
from tests.fakes.api_client import http_client, make_key
from tests.fakes.daemon import APPLICATION, MakeDaemon

EMAILS = 1000


async def test_a_batch_that_was_killed_is_completed_and_nothing_is_taken_twice(
    make_daemon: MakeDaemon,
) -> None:
    """One has a key, and is asked for again; of the other nobody can ask, and the rest of it is refused."""
    daemon = await make_daemon(daily_cap=2 * EMAILS)
    key = await make_key(daemon)
    later = (SystemClock().now() + timedelta(days=1)).isoformat()
    email = {"from": APPLICATION, "text": "Hi", "send_at": later}
    keyless = {"emails": [{**email, "to": f"ann{number}@far.example"} for number in range(EMAILS)]}
    keyed = {**keyless, "idempotency_key": "a batch"}

    await daemon.start()
    async with http_client(daemon, key) as http:
        asked = (keyless, keyed)
        requests = [asyncio.create_task(http.post("/v1/emails/batch", json=document)) for document in asked]
        while not _both_began(await asyncio.to_thread(batches, daemon)):
            assert not any(request.done() for request in requests)
        os.kill(daemon.pid, signal.SIGKILL)
        for request in requests:
            with pytest.raises(httpx2.TransportError):
                await request
    assert await daemon.ends() == -signal.SIGKILL

    was = batches(daemon)
    assert _both_began(was)
    assert was[0].pending
    assert was[1].pending
    await daemon.start()
    async with http_client(daemon, key) as http:
        while (await asyncio.to_thread(batches, daemon))[0].pending:
            pass
        left = (await http.get(f"/v1/batches/{was[0].id}")).json()
        answers = [await http.post("/v1/emails/batch", json=keyed) for _ in range(2)]
        account = (await http.get(f"/v1/inboxes/{APPLICATION}")).json()
        events = (await http.get("/v1/events", params={"kind": "batch.completed"})).json()["data"]
    assert (left["accepted"], left["refused"]) == (was[0].taken, EMAILS - was[0].taken)
    assert {each["problem"]["code"] for each in left["results"] if "problem" in each} == {"interrupted"}
    assert answers[0].content == answers[1].content
    batch = answers[0].json()
    assert (batch["accepted"], batch["refused"], batch["pending"]) == (EMAILS, 0, 0)
    assert len({each["id"] for each in batch["results"]}) == EMAILS
    assert [event["data"]["batch_id"] for event in events] == [batch["id"], left["id"]]
    assert states(daemon) == {"scheduled": EMAILS + was[0].taken}
    assert account["used_today"] == 0
    assert await daemon.stop() == 0


def _both_began(found: Mapping[int, Places]) -> bool:
    return all(found[has_key].taken for has_key in (0, 1))
