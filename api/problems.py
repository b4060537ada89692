"""Errors as RFC 9457 problem documents, and the request id that every answer carries."""

import json
import logging
import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("posthouse.api")

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


def problem(
    request: Request,
    status: int,
    code: str,
    *,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One problem document; `code` is what programs branch on, `detail` what people read."""
    document = {
        "type": f"urn:posthouse:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request.scope.get("request_id", ""),
    }
    return Response(
        json.dumps(document), status, media_type="application/problem+json", headers=dict(headers or {})
    )


async def not_found_or_wrong_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return problem(
            request,
            405,
            "method_not_allowed",
            detail=f"{request.method} is not possible here.",
            headers=error.headers,
        )
    return problem(request, 404, "not_found", detail="There is nothing at this path.")


class RequestIdMiddleware:
    """Gives each request an id, the client's own if it is harmless, and repeats it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _USABLE_ID.match(given) else f"req_{secrets.token_hex(12)}"
        scope["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class ProblemsMiddleware:
    """A fault of ours answers 503 without a word of what it was; the log has it under the request's id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            logger.exception("request %s failed on our side", scope.get("request_id"))
            if started or scope["type"] != "http":
                raise
            answer = problem(
                Request(scope),
                503,
                "not_accepting",
                detail="A fault of ours; please try again.",
                headers={"Retry-After": "5"},
            )
            await answer(scope, receive, send)
