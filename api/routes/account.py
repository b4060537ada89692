"""Who a key belongs to, and what it may do: the first question of every client."""

from datetime import datetime

from api.call import Call
from api.operations import Operation
from api.routes.keys import KEY_EXAMPLE, KeyShape, key_shape
from api.shapes import Shape
from relay.errors import NotFound
from relay.tenants import tenants


class TenantShape(Shape, frozen=True):
    """Whose everything is that a key can see."""

    id: str
    name: str
    created_at: datetime


class AccountLimits(Shape, frozen=True):
    """What one request, and one key, may ask of us. Sizes are octets."""

    requests_per_minute: int
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
    tenant = await tenants.find(call.house.db, call.tenant_id)
    if tenant is None:
        raise NotFound(f"no tenant {call.tenant_id}")
    return AccountShape(
        tenant=TenantShape(id=tenant.id, name=tenant.name, created_at=tenant.created_at),
        key=key_shape(call.caller.key),
        limits=_limits(call),
    )


def _limits(call: Call) -> AccountLimits:
    limits, policy = call.house.config.limits, call.house.config.policy
    return AccountLimits(
        requests_per_minute=limits.api_requests_per_minute,
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
            "tenant": {"id": "ten_default", "name": "default", "created_at": "2026-03-02T09:00:00Z"},
            "key": KEY_EXAMPLE,
            "limits": {
                "requests_per_minute": 600,
                "body_size": 26214400,
                "message_size": 26214400,
                "recipients_per_message": 1000,
                "default_daily_cap": 75,
                "cap_timezone": "UTC",
            },
        },
    ),
)
