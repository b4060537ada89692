"""What is put into an email as it travels: tracked links, an image, a way to leave, a footer.

It is decided when the email is prepared, and done (`api.mail.marking`) when
the message has its id. The letter that we keep shows the mail as it was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field

from api.mail.wishes import NewMessage
from api.problems import invalid
from api.shapes import Body
from relay.address import Address
from relay.submission.control_fields import MAX_STREAM, read_stream
from relay.tracking.footers import Footer

Value: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Stream: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_STREAM)]
FooterText: TypeAlias = Annotated[str, Meta(max_length=2000)]


class Utm(Body, frozen=True):
    """Parameters `utm_…` that each link gets which has none of that name."""

    source: Value | None = None
    medium: Value | None = None
    campaign: Value | None = None
    term: Value | None = None
    content: Value | None = None
    id: Value | None = None


class NewUnsubscribe(Body, frozen=True):
    """`stream` is what the recipient leaves; `footer` stands below the mail, with a link to leave."""

    stream: Stream | None = None
    footer: FooterText | None = None


class Tracked(NewMessage, kw_only=True, frozen=True):
    """A message, and what is put into it; tracked as its domain says unless it says otherwise.

    With `footer` false that of the brand or tenant is left out.
    """

    stream: Stream | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    utm: Utm | None = None
    unsubscribe: bool | NewUnsubscribe | None = None
    footer: bool = True


NO_FOOTER = Footer()


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who may leave what. `mail_host` takes mail that says so, where there is such a host.

    `in_header`: the fields of RFC 2369 and 8058 are ours to write.
    """

    tenant_id: str
    address: Address
    stream: str | None
    mail_host: str | None
    in_header: bool = True
    is_test: bool = False


class Marks(Struct, frozen=True, kw_only=True):
    """`base` is where links of ours lead; `untracked` are addresses that stay as they are.

    `own_footer`: the footer's words are the caller's, as the message's are.
    """

    base: str = ""
    opens: bool = False
    clicks: bool = False
    utm: Mapping[str, str] = field(default_factory=dict)
    leaving: Leaving | None = None
    footer: Footer = NO_FOOTER
    own_footer: bool = False
    untracked: frozenset[str] = frozenset()

    @property
    def are_none(self) -> bool:
        return not (self.opens or self.clicks or self.utm or self.leaving or self.footer)


NO_MARKS = Marks()


def stream_of(wish: Tracked) -> str | None:
    """The stream that the email belongs to; raises Problem (422) where two are named, or none can be."""
    wanted = wish.unsubscribe.stream if isinstance(wish.unsubscribe, NewUnsubscribe) else None
    if wish.stream is not None and wanted is not None and wish.stream != wanted:
        raise invalid("$.unsubscribe.stream", "is not the stream of the email")
    path, found = ("$.stream", wish.stream) if wish.stream is not None else ("$.unsubscribe.stream", wanted)
    try:
        return None if found is None else read_stream(found)
    except ValueError as error:
        raise invalid(path, str(error)) from error


def utm_of(wish: Tracked) -> dict[str, str]:
    """The parameters by name, without `utm_`."""
    given = wish.utm or Utm()
    found = {name: getattr(given, name) for name in given.__struct_fields__}
    return {name: value for name, value in found.items() if value is not None}
