"""API keys: make and change those that may do no more than the one that asks, look at them, revoke them."""

from msgspec import UNSET

from api.call import Call
from api.operations import Operation
from api.paging import Paged, page
from api.routes import key_limits as limits
from api.routes.key_shapes import KEY_EXAMPLE, KeyShape, NewKey, PatchKey, fresh_shape, key_shape
from api.shapes import Page
from relay.errors import NotFound
from relay.tenants import api_keys, key_changes
from relay.tenants.api_keys import ApiKey
from relay.tenants.key_changes import KeyChanges
from relay.tenants.reach import Reach, reach_of


async def create_key(call: Call, body: NewKey) -> KeyShape:
    """The new key, with `key` this once; a replay leaves it out."""
    wanted = await _narrowed(call, body)
    clock, tenant_id = call.house.clock, call.tenant_id
    return await call.once.run(
        lambda tx: key_changes.create(tx, clock, tenant_id, wanted),
        fresh_shape,
        kept=lambda fresh: key_shape(fresh.key),
    )


async def list_keys(call: Call, query: Paged) -> Page[KeyShape]:
    """Every key that this one may see, also those that do not work any more."""
    rows = list[ApiKey]()
    before, more = query.before, True
    while more and len(rows) <= query.limit:
        part = await api_keys.list_of_tenant(
            call.house.db,
            call.tenant_id,
            limit=query.limit + 1,
            before_id=before,
            mode="test" if call.caller.mode == "test" else None,
        )
        rows += [key for key in part if await _is_within(call, key)]
        before, more = (part[-1].id, len(part) > query.limit) if part else (before, False)
    return page(rows[: query.limit + 1], query.limit, key_shape, lambda key: key.id)


async def get_key(call: Call) -> KeyShape:
    return key_shape(await find_key(call))


async def change_key(call: Call, body: PatchKey) -> KeyShape:
    """The key as it is now; the next request with it is judged so."""
    caller, clock = call.caller, call.house.clock
    key = await find_key(call)
    await limits.check_is_no_more(call, key)
    reach = UNSET if body.inboxes is UNSET and body.domains is UNSET else await _new_reach(call, key, body)
    rate, burst = (
        wanted if wanted is UNSET else limits.handed_rate(own, wanted)
        for own, wanted in (
            (caller.key.requests_per_minute, body.requests_per_minute),
            (caller.key.burst, body.burst),
        )
    )
    changes = KeyChanges(
        name=body.name,
        reach=reach,
        cidrs=body.cidrs if body.cidrs is UNSET else limits.handed_cidrs(caller, body.cidrs),
        requests_per_minute=rate,
        burst=burst,
    )
    return key_shape(
        await call.house.db.transact(
            lambda tx: key_changes.update(tx, clock, call.tenant_id, key.id, changes)
        )
    )


async def _new_reach(call: Call, key: ApiKey, body: PatchKey) -> Reach | None:
    """What is given, beside what stays; raises NotFound, Problem (403, 422)."""
    has = key.reach or Reach()
    inboxes, named = await limits.handed_reach(
        call,
        has.inboxes if body.inboxes is UNSET else body.inboxes,
        has.domains if body.domains is UNSET else body.domains,
    )
    return reach_of(inboxes, [domain.name for domain in named])


async def revoke_key(call: Call) -> None:
    """It works no more from now on; what was revoked already stays so."""
    key = await find_key(call)
    await call.house.db.transact(lambda tx: key_changes.revoke(tx, call.house.clock, call.tenant_id, key.id))


async def find_key(call: Call) -> ApiKey:
    """A key that the caller may see; raises NotFound."""
    key = await api_keys.get(call.house.db, call.tenant_id, call.path["key_id"])
    sandboxed = call.caller.mode == "test"
    if not await _is_within(call, key) or (sandboxed and key.mode == "live"):
        raise NotFound(f"no key {key.id}")
    return key


async def _narrowed(call: Call, body: NewKey) -> key_changes.NewKey:
    """What the new key will be; raises Problem (403) where it would be more than the caller is."""
    caller = call.caller
    names = [*([body.inbox] if body.inbox else []), *body.inboxes]
    inboxes, named = await limits.handed_reach(call, names, body.domains)
    return key_changes.NewKey(
        name=body.name,
        mode=limits.handed_mode(caller, body.mode),
        scopes=limits.handed_scopes(caller, body.scopes),
        mailboxes=inboxes,
        domains=named,
        cidrs=limits.handed_cidrs(caller, body.cidrs),
        expires_at=limits.handed_expiry(caller, body.expires_at),
        requests_per_minute=limits.handed_rate(caller.key.requests_per_minute, body.requests_per_minute),
        burst=limits.handed_rate(caller.key.burst, body.burst),
        guards=caller.key.guards,
    )


async def _is_within(call: Call, key: ApiKey) -> bool:
    """Whether a key reaches no further than the one that asks."""
    own, reach = call.caller.reach, key.reach
    if own is None or reach is None:
        return own is None
    covered = [await call.may_see(id_) for id_ in reach.inboxes]
    return all(covered) and set(reach.domains) <= set(own.domains)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/keys",
        "keys:write",
        "Make an API key",
        create_key,
        body=NewKey,
        answer=KeyShape,
        status=201,
        example={"name": "billing", "scopes": ["messages:read", "messages:send"], "cidrs": ["192.0.2.0/24"]},
        answers={
            **KEY_EXAMPLE,
            "last_used_at": None,
            "key": "ph_live_" + "0123456789abcdefghjkmnpqrstvwxyz01234567",
        },
        errors=("not_found",),
        description="The new key may do no more than the one that makes it. `key` is told this once.",
    ),
    Operation(
        "GET",
        "/v1/keys",
        "keys:read",
        "List the API keys",
        list_keys,
        query=Paged,
        answer=Page[KeyShape],
        answers={"data": [KEY_EXAMPLE], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        "/v1/keys/{key_id}",
        "keys:read",
        "One API key",
        get_key,
        answer=KeyShape,
        answers=KEY_EXAMPLE,
        errors=("not_found",),
    ),
    Operation(
        "PATCH",
        "/v1/keys/{key_id}",
        "keys:write",
        "Change an API key",
        change_key,
        body=PatchKey,
        answer=KeyShape,
        example={"name": "billing", "cidrs": ["192.0.2.0/24"], "requests_per_minute": 120},
        answers=KEY_EXAMPLE,
        errors=("not_found",),
        description="A key changes those alone that may do no more than itself, and to no more than that.",
    ),
    Operation(
        "DELETE",
        "/v1/keys/{key_id}",
        "keys:write",
        "Revoke an API key",
        revoke_key,
        status=204,
        errors=("not_found",),
        description="It stops at once.",
    ),
)
