"""What a program may ask to have written: a new message, a reply, a forward."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from api.mail.people import One, People
from api.problems import invalid
from api.shapes import Body
from inbound.letters import labels
from relay.errors import InvalidInput

MAX_ATTACHMENTS = 100

Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Subject: TypeAlias = Annotated[str, Meta(max_length=2000)]
Labels: TypeAlias = Annotated[tuple[str, ...], Meta(max_length=labels.MAX_LABELS)]
Tags: TypeAlias = Annotated[tuple[Word, ...], Meta(max_length=10)]
TagTable: TypeAlias = Annotated[dict[Word, Annotated[str, Meta(max_length=256)]], Meta(max_length=10)]
Metadata: TypeAlias = Annotated[dict[Word, Annotated[str, Meta(max_length=256)]], Meta(max_length=10)]
HeaderFields: TypeAlias = Annotated[dict[str, str], Meta(max_length=50)]


class NewAttachment(Body, kw_only=True, frozen=True):
    """`content` is base64; the type is what its octets say where none is given. Of a path the name counts.

    What has a `content_id` is shown by the html as `cid:…`, and so `inline` unless it says otherwise.
    """

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content: bytes
    content_type: Annotated[str, Meta(max_length=200)] | None = None
    disposition: Literal["attachment", "inline"] | None = None
    content_id: Annotated[str, Meta(max_length=200)] | None = None

    @property
    def place(self) -> Literal["attachment", "inline"]:
        return self.disposition or ("inline" if self.content_id else "attachment")


Attachments: TypeAlias = Annotated[tuple[NewAttachment, ...], Meta(max_length=MAX_ATTACHMENTS)]


class Written(Body, kw_only=True, frozen=True):
    """What every message that is written here may carry.

    `send_at` lets it wait, up to 90 days. `tags` (words, or an object whose
    names and values become `name:value`) and `metadata` come back with each
    event; `pool` lets another mailbox of that pool send it when this one is at
    its cap.
    """

    text: str | None = None
    html: str | None = None
    attachments: Attachments = ()
    sender: One | None = field(default=None, name="from")
    reply_to: People = []  # noqa: RUF012 - the struct is frozen
    headers: HeaderFields = {}  # noqa: RUF012
    labels: Labels = ()
    tags: Tags | TagTable = ()
    metadata: Metadata = {}  # noqa: RUF012
    send_at: datetime | None = None
    pool: Word | None = None


class NewMessage(Written, kw_only=True, frozen=True):
    """A message that begins a conversation; `from` is the inbox's own address unless it may use another."""

    to: People = []  # noqa: RUF012
    cc: People = []  # noqa: RUF012
    bcc: People = []  # noqa: RUF012
    subject: Subject = ""


class NewReply(Written, kw_only=True, frozen=True):
    """An answer; its recipients are those of the message, unless named. `quote` puts the message below it.

    What a program wrote is answered only with `allow_automatic`.
    """

    to: People | None = None
    cc: People | None = None
    bcc: People = []  # noqa: RUF012
    quote: bool = False
    allow_automatic: bool = False


class NewForward(Written, kw_only=True, frozen=True):
    """The message for somebody else, below what `text` says; with its attachments unless told otherwise."""

    to: People
    cc: People = []  # noqa: RUF012
    bcc: People = []  # noqa: RUF012
    include_attachments: bool = True


def labels_of(wanted: Iterable[str], path: str = "$.labels") -> tuple[str, ...]:
    """The labels, each once; raises Problem (422) at the one that cannot be."""
    for place, label in enumerate(wanted := tuple(wanted)):
        try:
            labels.check([label])
        except InvalidInput as error:
            raise invalid(f"{path}[{place}]", str(error)) from error
    return labels.check(wanted)


def tags_of(wanted: Iterable[str] | Mapping[str, str]) -> tuple[str, ...]:
    """The tags, each once; raises Problem (422) at the one that is not one printable line."""
    if isinstance(wanted, Mapping):
        for name, value in wanted.items():
            printable(name + value, f"$.tags.{name}")
        wanted = [f"{name}:{value}" for name, value in wanted.items()]
    return tuple(dict.fromkeys(printable(tag, f"$.tags[{place}]") for place, tag in enumerate(wanted)))


def metadata_of(wanted: Mapping[str, str]) -> dict[str, str]:
    """The entries; raises Problem (422) at the one that is not printable."""
    for name, value in wanted.items():
        printable(name, "$.metadata")
        printable(value, f"$.metadata.{name}")
    return dict(wanted)


def printable(text: str, path: str) -> str:
    """The text; raises Problem (422) for one with line ends or other characters that nobody sees."""
    if not text.isprintable():
        raise invalid(path, "has a character that cannot be printed")
    return text
