"""An answer as octets of HTTP/1.1, for a client whose request is not read, or is none."""

import secrets
from http import HTTPStatus

import msgspec

from api.problems import MEDIA_TYPE, Problem, document_of


def whole_answer(problem: Problem) -> bytes:
    """The problem document with its head; the connection is to be closed behind it."""
    request_id = f"req_{secrets.token_hex(12)}"
    body = msgspec.json.encode(document_of(problem, request_id))
    fields = {
        **problem.headers,
        "X-Request-Id": request_id,
        "X-Content-Type-Options": "nosniff",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body
