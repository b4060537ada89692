"""The ASGI application: every operation in one table, and what all of them pass through."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import Gatekeeper
from api.call import Call
from api.endpoint import Endpoint
from api.fields import Fields
from api.gates import Gates
from api.house import House
from api.openapi import document
from api.operations import Operation, Reply
from api.problems import Answering
from api.routes import (
    account,
    analytics,
    approvals,
    audit,
    batches,
    brands,
    caught,
    domains,
    drafts,
    emails,
    events,
    guards,
    health,
    inboxes,
    keys,
    lists,
    messages,
    raw,
    replies,
    sending,
    suppression_lists,
    suppressions,
    template_versions,
    templates,
    tenants,
    threads,
    tracking,
    trial_events,
    unsubscribing,
    warmup,
    webhook_posts,
    webhooks,
)


async def openapi(call: Call) -> Reply:
    """What can be asked of us, as generators of clients read it."""
    return Reply(_document(call.house.config.api.public_url))


@cache
def _document(public_url: str) -> bytes:
    """Made once: whoever asks for it needs no key."""
    return msgspec.json.encode(document(OPERATIONS, public_url))


OPERATIONS: Sequence[Operation] = (
    *health.OPERATIONS,
    Operation(
        "GET",
        "/openapi.json",
        None,
        "This document",
        openapi,
        answer=dict[str, Any],
        answers={"openapi": "3.1.0"},
    ),
    *account.OPERATIONS,
    *domains.OPERATIONS,
    *inboxes.OPERATIONS,
    *messages.OPERATIONS,
    *sending.OPERATIONS,
    *emails.OPERATIONS,
    *batches.OPERATIONS,
    *raw.OPERATIONS,
    *threads.OPERATIONS,
    *drafts.OPERATIONS,
    *replies.OPERATIONS,
    *lists.OPERATIONS,
    *suppressions.OPERATIONS,
    *templates.OPERATIONS,
    *template_versions.OPERATIONS,
    *suppression_lists.OPERATIONS,
    *tracking.OPERATIONS,
    *unsubscribing.OPERATIONS,
    *keys.OPERATIONS,
    *guards.OPERATIONS,
    *approvals.OPERATIONS,
    *brands.OPERATIONS,
    *tenants.OPERATIONS,
    *audit.OPERATIONS,
    *events.OPERATIONS,
    *webhooks.OPERATIONS,
    *webhook_posts.OPERATIONS,
    *trial_events.OPERATIONS,
    *caught.OPERATIONS,
    *analytics.OPERATIONS,
    *warmup.OPERATIONS,
)


class Resource:
    """One path and its operations by method; HEAD is answered as GET is."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        head = {"HEAD": endpoints["GET"]} if "GET" in endpoints else {}
        self._endpoints = {**endpoints, **head}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self._endpoints)})
        return endpoint(scope, receive, send)


class Application(Starlette):
    """Starlette's routes behind our own gates; a path without a place for a name is known, not searched."""

    def __init__(
        self, house: House, resources: Mapping[str, Resource], rate: Callable[[Scope], Fields]
    ) -> None:
        super().__init__(routes=[Route(path, resource) for path, resource in resources.items()])
        self.router.redirect_slashes = False
        self._by_path = {path: resource for path, resource in resources.items() if "{" not in path}
        self._house = house
        self._rate = rate

    def build_middleware_stack(self) -> ASGIApp:
        """Starlette's own would ask every layer anew for what the gates know already."""
        config = self._house.config
        app: ASGIApp = Answering(self._find)
        if config.api.cors_origins:
            app = CORSMiddleware(app, allow_origins=config.api.cors_origins, **_CORS)
        return Gates(app, config, self._house.clock, self._rate)

    def _find(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (self._by_path.get(scope.get("path", "")) or self.router)(scope, receive, send)


def build_app(house: House) -> Starlette:
    """The application over `house`; errors are problem documents (RFC 9457) throughout."""
    gatekeeper = Gatekeeper(house)
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for operation in OPERATIONS:
        by_path[operation.path][operation.method] = Endpoint(operation, house, gatekeeper)
    # A path without a place for a name goes first: …/messages/wait is not a message's.
    paths = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
    return Application(house, {path: Resource(by_path[path]) for path in paths}, gatekeeper.fields_of_rate)


_CORS: Final[Mapping[str, Any]] = {
    "allow_methods": ["GET", "POST", "PATCH", "PUT", "DELETE"],
    "allow_headers": [
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "Last-Event-ID",
        "X-Request-Id",
        "X-Tenant",
    ],
    "expose_headers": [
        *("X-Request-Id", "Retry-After", "Idempotent-Replayed"),
        *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    ],
}
