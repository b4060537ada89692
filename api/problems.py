"""Errors as RFC 9457 problem documents, and the request id that every answer carries."""

import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.errors import PosthouseError
from relay.telemetry.context import log_ids

logger = logging.getLogger("posthouse.api")

MEDIA_TYPE = "application/problem+json"
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")


class FieldError(Struct, frozen=True):
    """One thing that is wrong in what was sent; `path` is such as `$.to[0]` or `?limit`."""

    path: str
    message: str


class ProblemDocument(Struct, frozen=True, omit_defaults=True):
    """RFC 9457; `code` is what programs branch on, `detail` what people read."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


class Problem(PosthouseError):
    """An answer that is a problem document; a handler may raise it where no other error says it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def invalid(path: str, message: str) -> Problem:
    """422 `validation_error`, which names the field."""
    return Problem(422, "validation_error", f"{path}: {message}", errors=[FieldError(path, message)])


def document_of(problem: Problem, request_id: str) -> ProblemDocument:
    """What is said of it in the answer to that request."""
    return ProblemDocument(
        type=f"urn:posthouse:problem:{problem.code}",
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        code=problem.code,
        request_id=request_id,
        errors=problem.errors,
    )


def respond(scope: Scope, problem: Problem) -> Response:
    """The problem as an answer to the request of `scope`."""
    body = msgspec.json.encode(document_of(problem, scope.get("request_id", "")))
    return Response(body, problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


async def not_found_or_wrong_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        text = f"{request.method} is not possible here."
        return respond(request.scope, Problem(405, "method_not_allowed", text, headers=error.headers))
    return respond(request.scope, Problem(404, "not_found", "There is nothing at this path."))


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

        with log_ids(request=request_id):
            await self._app(scope, receive, send_with_id)


class ProblemsMiddleware:
    """Raised problems become answers; a fault of ours is 503 without a word of what it was.

    The log has it, under the request's id.
    """

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
        except Problem as problem:
            if started:
                raise
            await respond(scope, problem)(scope, receive, send)
        except Exception:
            logger.exception("request %s failed on our side", scope.get("request_id"))
            if started or scope["type"] != "http":
                raise
            await respond(scope, our_fault())(scope, receive, send)


def our_fault() -> Problem:
    """What a client is told of a fault that nobody caught."""
    return Problem(503, "not_accepting", "A fault of ours; please try again.", headers={"Retry-After": "5"})
