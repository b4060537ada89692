"""Many emails asked for in one request, each with a result of its own."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeAlias

from msgspec import UNSET, Meta, Raw, UnsetType, field

from api.mail.emails import BrandName, IdempotencyKey, LocalTime, Variables, ZoneName
from api.mail.marks import NewUnsubscribe, Stream, Utm
from api.mail.people import AddressText, Name
from api.mail.wishes import Subject, Word, Written
from api.problems import FieldError
from api.shapes import Body, Shape

MOST_EMAILS = 1000
_SCHEMAS = "#/components/schemas/"


class BulkRecipient(Body, kw_only=True, frozen=True):
    """Somebody who gets the common message, and what is filled in there, before what is said to all."""

    email: AddressText | None = None
    address: AddressText | None = None
    name: Name = ""
    variables: Variables = field(default_factory=dict)


# Each is read by itself: what is wrong with one is its own result.
Emails: TypeAlias = Annotated[
    list[Annotated[Raw, Meta(extra_json_schema={"$ref": f"{_SCHEMAS}NewEmail"})]],
    Meta(min_length=1, max_length=MOST_EMAILS),
]
Recipients: TypeAlias = Annotated[
    list[Annotated[Raw, Meta(extra_json_schema={"$ref": f"{_SCHEMAS}BulkRecipient"})]],
    Meta(min_length=1, max_length=MOST_EMAILS),
]


class NewBatch(Written, kw_only=True, frozen=True):
    """Either `emails`, each complete; or `recipients`, and beside them the message that each of them gets.

    The message of a bulk is written as that of an email, without `to`, `cc` and
    `bcc`: nobody sees the others. With `dry_run`, for up to 100, everything is
    decided, and nothing sent or kept.
    """

    has_parts: ClassVar[bool] = True

    emails: Emails | None = None
    recipients: Recipients | None = None
    subject: Subject = ""
    template: Word | None = None
    variables: Variables | None = None
    spintax: bool = False
    inline_css: bool = False
    stream: Stream | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    utm: Utm | None = None
    unsubscribe: bool | NewUnsubscribe | None = None
    footer: bool = True
    brand: BrandName | None = None
    inbox_id: Word | None = None
    send_at_local: LocalTime | None = None
    timezone: ZoneName | None = None
    dry_run: bool = False
    idempotency_key: IdempotencyKey | None = None


class EmailList(NewBatch, kw_only=True, frozen=True):
    """`emails` alone, as a bare array."""

    is_list_of: ClassVar[str | None] = "emails"


class ItemProblem(Shape, kw_only=True, frozen=True):
    """Why one was refused: as the answer to it alone would have said, with its place in the batch."""

    status: int
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()


class BatchResult(Shape, kw_only=True, frozen=True):
    """What became of one email when it was decided; `refused` has a problem, all else the message's `id`.

    `pending` is one that a request which broke off did not come to.
    """

    index: int
    status: str
    id: str | UnsetType = UNSET
    problem: ItemProblem | UnsetType = UNSET


class BatchShape(Shape, kw_only=True, frozen=True):
    """A batch with a result for each email, in their order.

    `statuses` counts its messages by their status now; the answer to the
    request that made it has none.
    """

    id: str
    total: int
    accepted: int
    refused: int
    pending: int
    statuses: dict[str, int] | UnsetType = UNSET
    test: bool
    created_at: datetime
    completed_at: datetime | None
    dry_run: bool | UnsetType = UNSET
    results: tuple[BatchResult, ...]


def differs_from_default(batch: NewBatch) -> str | None:
    """The first field of the common message that is said."""
    own = {"emails", "recipients", "idempotency_key", "dry_run"}
    for name, spelled in zip(NewBatch.__struct_fields__, NewBatch.__struct_encode_fields__, strict=True):
        if name not in own and getattr(batch, name) != _default(name):
            return spelled
    return None


def _default(name: str) -> Any:
    return getattr(_EMPTY, name)


_EMPTY = NewBatch()
