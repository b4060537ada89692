"""The ASGI application: every operation in one table, and what all of them pass through."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.auth import Gatekeeper
from api.call import Call
from api.endpoint import Endpoint
from api.gates import AnswerHeaders, ClientAddress, FramingGate, HostGate, names_of
from api.house import House
from api.openapi import document
from api.operations import Operation, Reply
from api.problems import ProblemsMiddleware, RequestIdMiddleware, not_found_or_wrong_method
from api.routes import (
    account,
    analytics,
    approvals,
    audit,
    batches,
    brands,
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
    sandbox,
    sending,
    suppression_lists,
    suppressions,
    template_versions,
    templates,
    tenants,
    threads,
    tracking,
    unsubscribing,
    warmup,
    webhook_posts,
    webhooks,
)
from relay.config import Config


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
    *sandbox.OPERATIONS,
    *analytics.OPERATIONS,
    *warmup.OPERATIONS,
)


class Resource:
    """One path and its operations by method; HEAD is answered as GET is."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        head = {"HEAD": endpoints["GET"]} if "GET" in endpoints else {}
        self._endpoints = {**endpoints, **head}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self._endpoints)})
        await endpoint(scope, receive, send)


def build_app(house: House) -> Starlette:
    """The application over `house`; errors are problem documents (RFC 9457) throughout."""
    gatekeeper = Gatekeeper(house)
    errors = {404: not_found_or_wrong_method, 405: not_found_or_wrong_method}
    app = Starlette(
        routes=_routes(house, gatekeeper),
        middleware=_middleware(house.config, gatekeeper),
        exception_handlers=errors,
    )
    app.router.redirect_slashes = False
    return app


def _routes(house: House, gatekeeper: Gatekeeper) -> list[Route]:
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for operation in OPERATIONS:
        by_path[operation.path][operation.method] = Endpoint(operation, house, gatekeeper)
    # A path without a place for a name goes first: …/messages/wait is not a message's.
    paths = sorted(by_path, key=lambda path: [part.startswith("{") for part in path.split("/")])
    return [Route(path, Resource(by_path[path])) for path in paths]


def _middleware(config: Config, gatekeeper: Gatekeeper) -> list[Middleware]:
    https = config.api.public_url.startswith("https:")
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.api.cors_origins,
        allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-Request-Id",
            "X-Tenant",
        ],
        expose_headers=[
            *("X-Request-Id", "Retry-After", "Idempotent-Replayed"),
            *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
        ],
    )
    return [
        Middleware(RequestIdMiddleware),
        Middleware(ClientAddress, proxies=config.api.trusted_proxies),
        Middleware(AnswerHeaders, rate=gatekeeper.headers_of, https=https),
        Middleware(FramingGate),
        Middleware(HostGate, names=names_of(config)),
        *([cors] if config.api.cors_origins else []),
        Middleware(ProblemsMiddleware),
    ]
