"""What a process of schemathesis loads beside its own checks; the test tells it what there is.

Cases that are meant to be good are made so that they mean something here, and
an answer to a stranger holds nothing of ours that the stranger did not say.
"""

import itertools
import json
import os
from typing import Any
from urllib.parse import unquote

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response

KNOWN: dict[str, Any] = json.loads(os.environ["POSTHOUSE_PROBE"])
PLACES: dict[str, str] = KNOWN["places"]
MARKS: list[str] = KNOWN["marks"]
LIKELY: dict[str, Any] = KNOWN["likely"]
INBOXES = itertools.cycle(KNOWN["inboxes"])
NUMBERS = itertools.count()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """A key of its own for each, each inbox in turn, and in good cases persons and ids that are there."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"probe {next(NUMBERS)}"
    if unquote(str(case.path_parameters.get("inbox"))) == PLACES["inbox"]:
        case.path_parameters["inbox"] = next(INBOXES)
    if isinstance(case.body, dict):
        for name in LIKELY.keys() & case.body.keys():
            case.body[name] = LIKELY[name]


@schemathesis.check
def says_nothing_of_ours(context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Marks are empty where it is us who ask."""
    said = _said(response)
    found = [mark for mark in MARKS if mark in response.text and mark not in said]
    if found:
        raise AssertionError(f"the answer to a stranger tells of {found}")
    named = {name: unquote(str(place)) for name, place in case.path_parameters.items()}
    ours = [place for name, place in named.items() if PLACES.get(name) == place]
    if MARKS and ours and response.status_code < 300:
        raise AssertionError(f"a stranger was let at {ours}")


def _said(response: Response) -> str:
    """The request, as far as an answer may repeat it."""
    request = response.request
    body = request.body or b""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    return f"{unquote(str(request.url))}\n{text}\n{dict(request.headers)}"
