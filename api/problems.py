"""Errors as RFC 9457 problem documents."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.errors import PosthouseError

logger = logging.getLogger("posthouse.api")

MEDIA_TYPE = "application/problem+json"
_STARTED = "posthouse.started"


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


def mark_started(scope: Scope) -> None:
    """From here on an answer is on its way, and there can be no other."""
    scope[_STARTED] = True


class Answering:
    """Raised problems become answers; a fault of ours is 503 without a word of what it was.

    The log has it, under the request's id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            problem = _as_problem(scope, error)
            if problem is None:
                logger.exception("request %s failed on our side", scope.get("request_id"))
            if scope.get(_STARTED) or scope["type"] != "http":
                raise
            await respond(scope, problem or our_fault())(scope, receive, send)


def _as_problem(scope: Scope, error: Exception) -> Problem | None:
    """What a route, or the want of one, says by raising; None for a fault of ours."""
    if not isinstance(error, HTTPException):
        return error if isinstance(error, Problem) else None
    if error.status_code == 405:
        text = f"{scope['method']} is not possible here."
        return Problem(405, "method_not_allowed", text, headers=error.headers)
    return Problem(404, "not_found", "There is nothing at this path.")


def our_fault() -> Problem:
    """What a client is told of a fault that nobody caught."""
    return Problem(503, "not_accepting", "A fault of ours; please try again.", headers={"Retry-After": "5"})
