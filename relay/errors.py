"""Errors that a caller acts on, each with what to tell the client apart from what to tell us.

A `Refusal` is our own no to a client: its `reply` goes out over SMTP and its
`code` names the HTTP problem. Everything that is not a Refusal is a fault of
ours and answers 451 or 503: it never bounces somebody's mail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from relay.replies import TEMPORARY_FAULT, SmtpReply


class PosthouseError(Exception):
    """What all our errors have in common."""


class Refusal(PosthouseError):
    """We will not do this, and the client is told why.

    `reply` is the SMTP answer, `code` the problem code of the HTTP API. The
    exception's own text is for the operator's log.
    """

    reply: SmtpReply = SmtpReply(554, "5.7.1", "Refused")
    code: ClassVar[str] = "validation_error"

    def __init__(self, why: str, reply: SmtpReply | None = None) -> None:
        super().__init__(why)
        if reply is not None:
            self.reply = reply


class PolicyRefusal(Refusal):
    """A rule of the house says no: sender, cap, warm-up, quota."""


class StoreUnavailable(PosthouseError):
    """The store cannot be written now: full, locked, read-only or damaged.

    Nothing of the attempted write is kept. It passes: the store looks after
    itself and accepts again alone.
    """

    code: ClassVar[str] = "not_accepting"

    def __init__(self, why: str, reply: SmtpReply = TEMPORARY_FAULT) -> None:
        super().__init__(why)
        self.reply = reply


class NotFound(PosthouseError):
    """Nothing of that name is here."""


class AlreadyExists(PosthouseError):
    """Something of that name is here already."""


class InvalidInput(PosthouseError):
    """A person or a program gave us something that cannot be meant; the text says what and why.

    `field` is the part of the wish that is wrong, where one is.
    """

    def __init__(self, why: str, field: str = "") -> None:
        super().__init__(why)
        self.field = field


@contextmanager
def about(field: str) -> Iterator[None]:
    """What is wrong inside is wrong with this field of the wish."""
    try:
        yield
    except InvalidInput as error:
        error.field = error.field or field
        raise
