"""What travels over the control socket: one request line, then answer lines, all of them JSON.

Request: `{"call": "mailbox.add", "arguments": {…}}`. Answers: any number of
`{"progress": […]}` or `{"item": …}`, then one `{"result": …}` or
`{"error": {"kind": …, "text": …}}`. One request for each connection.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from relay.errors import AlreadyExists, InvalidInput, NotFound, PosthouseError, Refusal, StoreUnavailable

SOCKET_NAME: Final = "control.sock"
REQUEST_LIMIT: Final = 1 << 20  # octets
ANSWER_LIMIT: Final = 1 << 28

_encoder = msgspec.json.Encoder()


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    call: str
    arguments: dict[str, Any] = {}


class Fault(msgspec.Struct, frozen=True):
    """An error as it travels: what kind, and the text for people."""

    kind: str
    text: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the answer; one of the fields is set (an empty `result` is none yet)."""

    progress: tuple[str, int, int] | None = None
    item: Any = None
    result: msgspec.Raw = msgspec.Raw()
    error: Fault | None = None


class RemoteFault(PosthouseError):
    """The daemon failed at it: a fault of ours, with its text."""


# From the most special to the most general.
_KINDS: Final[dict[str, type[PosthouseError]]] = {
    "invalid_input": InvalidInput,
    "not_found": NotFound,
    "already_exists": AlreadyExists,
    "refusal": Refusal,
    "store_unavailable": StoreUnavailable,
    "failed": PosthouseError,
}


def socket_path(data_dir: Path) -> Path:
    """Where the daemon of this data directory listens."""
    return data_dir / SOCKET_NAME


def to_line(message: Any) -> bytes:
    """One line, with its end."""
    return _encoder.encode(message) + b"\n"


def result_line(value: Any) -> bytes:
    """The last line of a call that went well."""
    return b'{"result":' + _encoder.encode(value) + b"}\n"


def to_fault(error: BaseException) -> Fault:
    """How an error travels; what is no error of ours by design is `fault`."""
    if not isinstance(error, PosthouseError):
        return Fault("fault", f"{type(error).__name__}: {error}")
    kind = next(name for name, known in _KINDS.items() if isinstance(error, known))
    return Fault(kind, str(error))


def from_fault(fault: Fault) -> PosthouseError:
    """The error that the other side raised, as near as it can be said."""
    return _KINDS.get(fault.kind, RemoteFault)(fault.text)
