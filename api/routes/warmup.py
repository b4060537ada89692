"""Warm-up: which inboxes grow, how far each has come; plans begun, changed, paused and ended."""

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.warmup_shapes import (
    WARMUP_EXAMPLE,
    NewWarmup,
    WarmupChanges,
    WarmupShape,
    warmup_shape,
)
from api.shapes import NoBody, Page
from api.tenant_wide import check_tenant_wide
from relay.analytics import reading
from relay.config import WarmupPlan
from relay.errors import InvalidInput, NotFound
from relay.estate import mailboxes as estate
from relay.estate import warmups
from relay.estate.warmups import WarmupView
from relay.policy.health import Rates
from relay.store.database import Reader, Transaction, Work
from relay.tenants import mailboxes
from relay.tenants.mailboxes import Mailbox

READ_AT_ONCE = 200

Shown = tuple[WarmupView, Rates]


async def list_warmups(call: Call, query: Paged) -> Page[WarmupShape]:
    """The inboxes with a plan: all of the tenant's, or those that the key may use."""
    rows = await _within_reach(call, query.limit + 1, query.before)
    shown = [await _shown(call, call.house.db, mailbox) for mailbox in rows]
    return page(shown, query.limit, _shape, lambda each: each[0].mailbox.id)


async def get_warmup(call: Call) -> WarmupShape:
    """How far it has come, what it may send today, and how its mail fares."""
    return _shape(await _shown(call, call.house.db, await call.mailbox(call.path["inbox"])))


async def put_warmup(call: Call, body: NewWarmup) -> WarmupShape:
    """The inbox follows the plan from now on."""
    mailbox = await _changeable(call)
    plan, name = _plan(call, body.plan)
    return await _change(call, warmups.beginning(call.house.station, mailbox, plan, name, body.day))


async def change_warmup(call: Call, body: WarmupChanges) -> WarmupShape:
    """The inbox as it goes on."""
    mailbox = await _changeable(call)
    plan = None if body.plan is None else _plan(call, body.plan)
    return await _change(call, warmups.moving(call.house.station, mailbox, plan, body.day))


async def pause_warmup(call: Call, body: NoBody) -> WarmupShape:
    """It keeps its present cap, whatever is sent, until it is resumed."""
    return await _do(call, warmups.pausing(call.house.station, await _changeable(call)))


async def resume_warmup(call: Call, body: NoBody) -> WarmupShape:
    """It grows again."""
    return await _do(call, warmups.resuming(call.house.station, await _changeable(call)))


async def end_warmup(call: Call) -> None:
    """The inbox's daily cap alone holds from now on."""
    mailbox = await _changeable(call)
    await call.house.directory.change(warmups.ending(call.house.station, mailbox))


async def _within_reach(call: Call, limit: int, before: str | None) -> list[Mailbox]:
    found: list[Mailbox] = []
    while len(found) < limit:
        rows = await mailboxes.warming(call.house.db, call.tenant_id, limit=READ_AT_ONCE, before_id=before)
        found += [mailbox for mailbox in rows if _may_use(call, mailbox)]
        if len(rows) < READ_AT_ONCE:
            break
        before = rows[-1].id
    return found[:limit]


def _may_use(call: Call, mailbox: Mailbox) -> bool:
    try:
        call.may_use(mailbox)
    except NotFound:
        return False
    return True


async def _changeable(call: Call) -> Mailbox:
    mailbox = await call.mailbox(call.path["inbox"])
    check_tenant_wide(call)
    return mailbox


def _plan(call: Call, text: str) -> tuple[WarmupPlan, str | None]:
    try:
        return estate.read_plan(call.house.station, text)
    except InvalidInput as error:
        raise invalid("$.plan", str(error)) from error


async def _change(call: Call, work: Work[WarmupView]) -> WarmupShape:
    return _shape(await call.house.directory.change(_with_rates(call, work)))


async def _do(call: Call, work: Work[WarmupView]) -> WarmupShape:
    """As `_change`, once for an Idempotency-Key."""
    through = call.house.directory.change
    return await call.once.run(_with_rates(call, work), _shape, through=through)


def _with_rates(call: Call, work: Work[WarmupView]) -> Work[Shown]:
    async def whole(tx: Transaction) -> Shown:
        view = await work(tx)
        return view, await _rates(call, tx, view.mailbox, view.health.judged_from)

    return whole


async def _shown(call: Call, reader: Reader, mailbox: Mailbox) -> Shown:
    view = await warmups.describe(call.house.station, reader, mailbox)
    return view, await _rates(call, reader, mailbox, view.health.judged_from)


async def _rates(call: Call, reader: Reader, mailbox: Mailbox, judged_from: int) -> Rates:
    return await reading.rates(reader, call.tenant_id, mailbox.id, call.house.clock.now(), judged_from)


def _shape(shown: Shown) -> WarmupShape:
    return warmup_shape(*shown)


_ONE = "/v1/inboxes/{inbox}/warmup"
_PAUSED = {**WARMUP_EXAMPLE, "status": "paused", "paused_at": "2026-03-04T10:00:00Z", "full_on": None}

OPERATIONS = (
    Operation(
        "GET",
        "/v1/warmup",
        "inboxes:read",
        "List the inboxes that are warming up",
        list_warmups,
        query=Paged,
        answer=Page[WarmupShape],
        answers={"data": [WARMUP_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        _ONE,
        "inboxes:read",
        "How far an inbox has warmed up",
        get_warmup,
        answer=WarmupShape,
        answers=WARMUP_EXAMPLE,
        errors=("not_found",),
        description="404 also for an inbox without a plan.",
    ),
    Operation(
        "PUT",
        _ONE,
        "inboxes:write",
        "Begin a warm-up",
        put_warmup,
        body=NewWarmup,
        answer=WarmupShape,
        example={"plan": "gentle"},
        answers={**WARMUP_EXAMPLE, "day": 1, "cap": 10, "next_cap": 12},
        errors=("not_found",),
        description="A plan that it has already begins anew.",
    ),
    Operation(
        "PATCH",
        _ONE,
        "inboxes:write",
        "Change a warm-up's plan, or its place in it",
        change_warmup,
        body=WarmupChanges,
        answer=WarmupShape,
        example={"plan": "start=10,factor=1.5,ceiling=500"},
        answers=WARMUP_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "DELETE",
        _ONE,
        "inboxes:write",
        "End a warm-up",
        end_warmup,
        status=204,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        f"{_ONE}/pause",
        "inboxes:write",
        "Let a warm-up keep its present cap",
        pause_warmup,
        body=NoBody,
        answer=WarmupShape,
        example={},
        answers={**_PAUSED, "next_cap": None},
        errors=("not_found",),
    ),
    Operation(
        "POST",
        f"{_ONE}/resume",
        "inboxes:write",
        "Let a warm-up grow again",
        resume_warmup,
        body=NoBody,
        answer=WarmupShape,
        example={},
        answers=WARMUP_EXAMPLE,
        errors=("not_found",),
    ),
)
