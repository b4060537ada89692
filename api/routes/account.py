"""Who a key belongs to, and what it may do: the first question of every client."""

from api.call import Call
from api.operations import Operation
from api.rates import Pace
from api.routes.key_shapes import KEY_EXAMPLE, KeyShape, key_shape
from api.routes.tenant_shapes import (
    TENANT_EXAMPLE,
    USAGE_EXAMPLE,
    TenantShape,
    UsageShape,
    tenant_shape,
    usage_shape,
)
from api.shapes import Shape
from api.tenant_wide import check_tenant_wide
from relay.estate import tenants as estate
from relay.tenants import tenants


class AccountLimits(Shape, frozen=True):
    """What one request, and one key, may ask of us. Sizes are octets; `burst` requests may come at once."""

    requests_per_minute: int
    burst: int
    body_size: int
    message_size: int
    recipients_per_message: int
    default_daily_cap: int
    cap_timezone: str


class AccountShape(Shape, frozen=True):
    """The tenant, the key that asks, and the limits that hold for it."""

    tenant: TenantShape
    key: KeyShape
    limits: AccountLimits


async def get_account(call: Call) -> AccountShape:
    """What the key that asks stands for."""
    tenant = await tenants.get(call.house.db, call.tenant_id)
    return AccountShape(
        tenant=tenant_shape(tenant),
        key=key_shape(call.caller.key),
        limits=_limits(call),
    )


async def get_account_usage(call: Call) -> UsageShape:
    """What the tenant has used today and this month, to this moment."""
    check_tenant_wide(call)
    tenant = await tenants.get(call.house.db, call.tenant_id)
    return usage_shape(tenant, await estate.used(call.house.station, tenant))


def _limits(call: Call) -> AccountLimits:
    limits, policy = call.house.config.limits, call.house.config.policy
    pace = Pace.of(
        call.caller.key.requests_per_minute or limits.api_requests_per_minute, call.caller.key.burst
    )
    return AccountLimits(
        requests_per_minute=pace.per_minute,
        burst=pace.burst,
        body_size=limits.body_size,
        message_size=limits.message_size,
        recipients_per_message=limits.recipients_per_message,
        default_daily_cap=policy.default_daily_cap,
        cap_timezone=str(policy.cap_timezone),
    )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/account",
        "account:read",
        "The tenant and the key that asks",
        get_account,
        answer=AccountShape,
        answers={
            "tenant": TENANT_EXAMPLE,
            "key": KEY_EXAMPLE,
            "limits": {
                "requests_per_minute": 600,
                "burst": 600,
                "body_size": 26214400,
                "message_size": 26214400,
                "recipients_per_message": 1000,
                "default_daily_cap": 75,
                "cap_timezone": "UTC",
            },
        },
    ),
    Operation(
        "GET",
        "/v1/account/usage",
        "account:read",
        "What the tenant has used",
        get_account_usage,
        answer=UsageShape,
        answers=USAGE_EXAMPLE,
        description="Today and this month, by door, and what is left of the month.",
    ),
)
