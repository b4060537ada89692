"""What people do to endpoints: make, read, change, rotate, remove; each tenant its own."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from relay.clock import Clock
from relay.errors import InvalidInput, NotFound
from relay.events import log
from relay.store.database import Transaction
from relay.store.sqlite import SqliteDatabase
from relay.tenants import tenants
from relay.tenants.tenants import DEFAULT_TENANT
from relay.webhooks import endpoint_changes, endpoints
from relay.webhooks.endpoint_changes import Changes, FreshEndpoint, NewEndpoint, TooManyEndpoints
from relay.webhooks.endpoints import Endpoint
from tests.relay.webhooks.desk import Desk

URL = "https://hooks.example/in"


async def create(
    db: SqliteDatabase, clock: Clock, new: NewEndpoint, tenant_id: str = DEFAULT_TENANT
) -> FreshEndpoint:
    async def work(tx: Transaction) -> FreshEndpoint:
        return await endpoint_changes.create(tx, clock, tenant_id, new)

    return await db.transact(work)


async def test_an_endpoint_reads_as_it_was_made(desk: Desk) -> None:
    made = await desk.add(URL, "message.received", "domain.*", label="CRM", mailbox_id="inb_1")
    assert made.id.startswith("wh_")
    assert made.events == ("domain.*", "message.received")
    assert (made.url, made.label, made.mailbox_id, made.status) == (URL, "CRM", "inb_1", "active")
    assert await desk.now(made) == made
    assert await desk.kinds() == ["webhook.created"]


async def test_the_secret_is_shown_when_it_is_made_and_stands_in_no_other_place(desk: Desk) -> None:
    made = await desk.add(URL)
    secret = desk.secrets[made.id]
    assert secret.startswith("whsec_")
    assert secret not in repr(made)
    assert secret not in repr(FreshEndpoint(made, secret))
    assert secret not in repr(await log.after(desk.db, 0, 100))


async def test_the_event_of_an_endpoint_holds_no_url(desk: Desk) -> None:
    await desk.add("https://hooks.example/services/T0KEN")
    (event,) = await log.after(desk.db, 0, 10)
    assert event.data["host"] == "hooks.example"
    assert "T0KEN" not in repr(event)


@pytest.mark.parametrize(
    "new",
    [
        NewEndpoint("https://10.0.0.1/"),
        NewEndpoint("http://localhost/"),
        NewEndpoint("ftp://hooks.example/"),
        NewEndpoint(URL, events=()),
        NewEndpoint(URL, events=["message.eaten"]),
        NewEndpoint(URL, events=["nothing.*"]),
        NewEndpoint(URL, events=["message"]),
        NewEndpoint(URL, events=["*.*"]),
        NewEndpoint(URL, label="two\nlines"),
        NewEndpoint(URL, label="x" * 201),
    ],
    ids=repr,
)
async def test_what_cannot_be_is_refused(new: NewEndpoint, db: SqliteDatabase, clock: Clock) -> None:
    with pytest.raises(InvalidInput):
        await create(db, clock, new)
    assert await endpoints.list_of_tenant(db, DEFAULT_TENANT) == []


async def test_a_tenant_has_as_many_as_it_may_and_room_again_after_one_is_removed(desk: Desk) -> None:
    made = [await desk.add(URL, at_most=3) for _ in range(3)]
    with pytest.raises(TooManyEndpoints, match="3"):
        await desk.add(URL, at_most=3)
    await desk.db.transact(lambda tx: endpoint_changes.remove(tx, desk.clock, DEFAULT_TENANT, made[0].id))
    await desk.add(URL, at_most=3)


async def test_the_list_has_the_newest_first_and_pages(desk: Desk) -> None:
    made = []
    for _ in range(3):
        made.append((await desk.add(URL)).id)
        desk.clock.advance(seconds=1)
    page = await endpoints.list_of_tenant(desk.db, DEFAULT_TENANT, limit=2)
    rest = await endpoints.list_of_tenant(desk.db, DEFAULT_TENANT, before_id=page[-1].id)
    assert [found.id for found in [*page, *rest]] == made[::-1]


async def test_nobody_reaches_another_tenants_endpoint(desk: Desk) -> None:
    made = await desk.add(URL)
    stranger = (await desk.db.transact(lambda tx: tenants.add(tx, desk.clock, "Other"))).id
    assert await endpoints.list_of_tenant(desk.db, stranger) == []
    with pytest.raises(NotFound):
        await endpoints.get(desk.db, stranger, made.id)
    with pytest.raises(NotFound):
        await desk.db.transact(lambda tx: endpoint_changes.remove(tx, desk.clock, stranger, made.id))
    with pytest.raises(NotFound):
        await desk.db.transact(lambda tx: endpoint_changes.rotate(tx, desk.clock, stranger, made.id))
    with pytest.raises(NotFound):
        await desk.db.transact(
            lambda tx: endpoint_changes.change(tx, desk.clock, stranger, made.id, Changes(label="mine"))
        )


async def test_only_what_is_named_is_changed(desk: Desk) -> None:
    made = await desk.add(URL, "message.*", label="CRM")
    changed = await desk.change(made, label="")
    assert (changed.label, changed.events, changed.url, changed.status) == ("", made.events, URL, "active")
    changed = await desk.change(made, events=["*"], status="paused")
    assert (changed.events, changed.status) == (("*",), "paused")
    assert (await desk.change(made, url="https://other.example/")).url == "https://other.example/"


@pytest.mark.parametrize("changes", [{"events": []}, {"label": "a\0b"}, {"url": "http://[::1"}], ids=str)
async def test_a_change_is_checked_as_a_new_one_is(changes: dict[str, object], desk: Desk) -> None:
    made = await desk.add(URL)
    with pytest.raises(InvalidInput):
        await desk.change(made, **changes)
    assert await desk.now(made) == made


@pytest.mark.parametrize("overlap", [timedelta(days=8), timedelta(seconds=-1)], ids=str)
async def test_an_overlap_has_its_limits(overlap: timedelta, desk: Desk) -> None:
    made = await desk.add(URL)
    with pytest.raises(InvalidInput):
        await desk.db.transact(
            lambda tx: endpoint_changes.rotate(tx, desk.clock, DEFAULT_TENANT, made.id, overlap)
        )


async def test_a_removed_endpoint_is_gone_with_its_secret(desk: Desk) -> None:
    made = await desk.add(URL)
    await desk.db.transact(lambda tx: endpoint_changes.remove(tx, desk.clock, DEFAULT_TENANT, made.id))
    with pytest.raises(NotFound):
        await desk.now(made)
    secrets: Sequence[object] = [row["secret"] for row in await desk.rows("webhook_endpoints")]
    assert secrets == [""]
    assert await desk.kinds() == ["webhook.created", "webhook.removed"]


def test_an_endpoint_never_shows_a_secret_because_it_has_none() -> None:
    assert not [name for name in Endpoint.__slots__ if "secret" in name]
