"""Which HTTP status an error of the house has. One table, from the codes that refusals carry."""

import math
from collections.abc import Mapping
from typing import Final

from api.problems import FieldError, Problem
from relay.clock import Clock
from relay.errors import AlreadyExists, InvalidInput, NotFound, Refusal, StoreUnavailable
from relay.policy.quota import QuotaExceeded
from relay.submission.refusals import AllSuppressed

STATUS: Final[Mapping[str, int]] = {
    "malformed_json": 400,
    "malformed_request": 400,
    "unauthorized": 401,
    "insufficient_scope": 403,
    "ip_not_allowed": 403,
    "domain_not_verified": 403,
    "sender_not_allowed": 403,
    "recipient_not_allowed": 403,
    "link_not_allowed": 403,
    "attachment_not_allowed": 403,
    "tenant_paused": 403,
    "tenant_suspended": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "idempotency_mismatch": 409,
    "idempotency_in_flight": 409,
    "not_scheduled": 409,
    "automatic_message": 409,
    "already_decided": 409,
    "already_exists": 409,
    "recipient_unsubscribed": 409,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "unknown_host": 421,
    "validation_error": 422,
    "template_missing_variables": 422,
    "all_suppressed": 422,
    "invalid_event": 422,
    "rate_limited": 429,
    "mailbox_cap_reached": 429,
    "warmup_cap_reached": 429,
    "no_mailbox_available": 429,
    "reply_limit_reached": 429,
    "new_recipients_reached": 429,
    "quota_exceeded": 429,
    "not_installed": 501,
    "not_accepting": 503,
    "interrupted": 503,
}

_WAIT: Final[Mapping[int, int]] = {429: 60, 503: 5}


def as_problem(error: Exception, clock: Clock) -> Problem | None:
    """The answer that an error of the house stands for; None for what is a fault of ours."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        return _refused(error, clock)
    if isinstance(error, NotFound):
        return _simple("not_found", str(error))
    if isinstance(error, AlreadyExists):
        return _simple("already_exists", str(error))
    if isinstance(error, InvalidInput):
        return _simple("validation_error", str(error), f"$.{error.field}" if error.field else "$")
    if isinstance(error, StoreUnavailable):
        return _simple("not_accepting", error.reply.text)
    return None


def _refused(error: Refusal, clock: Clock) -> Problem:
    """What the client is told is the reply; the error's own text is for the operator's log."""
    problem = _simple(error.code, error.reply.text)
    if isinstance(error, AllSuppressed):
        why = [f"{address} is suppressed: {reason}" for address, reason in error.reasons.items()]
        problem.errors = tuple(FieldError("$.to", each) for each in why)
    if isinstance(error, QuotaExceeded):
        problem.headers.update(error.rate_headers(clock.now()))
    resets_at = getattr(error, "resets_at", None)
    if resets_at is not None and problem.status == 429:
        wait = (resets_at - clock.now()).total_seconds()
        problem.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    return problem


def _simple(code: str, detail: str, path: str = "$") -> Problem:
    status = STATUS.get(code, 422)
    errors = [FieldError(path, detail)] if status == 422 else []
    headers = {"Retry-After": str(_WAIT[status])} if status in _WAIT else {}
    return Problem(status, code, detail, errors=errors, headers=headers)
