"""The files of a message that is written here: how many octets, under which name, of which type."""

import re
from collections.abc import Sequence

from msgspec import structs

from api.mail.wishes import NewAttachment
from api.problems import FieldError, Problem, invalid
from relay.message.composition import ComposedAttachment
from relay.message.sniffing import sniffed_type

# In base64 they are a third more, and still fit into a message of 25 MiB.
MOST_OCTETS = 18 << 20
_SEPARATORS = re.compile(r"[/\\]")


def files_of(given: Sequence[NewAttachment]) -> tuple[ComposedAttachment, ...]:
    """The files, ready to be composed; raises Problem (413, 422)."""
    if sum(len(each.content) for each in given) > MOST_OCTETS:
        text = f"The attachments together have more than {MOST_OCTETS >> 20} MiB."
        raise Problem(413, "payload_too_large", text, errors=[FieldError("$.attachments", text)])
    return tuple(_file(place, each) for place, each in enumerate(given))


def with_type(given: NewAttachment) -> NewAttachment:
    """The same with the type that it is sent under."""
    return structs.replace(given, content_type=_type_of(given))


def _file(place: int, given: NewAttachment) -> ComposedAttachment:
    # In a header field it stands in angle brackets, and many give it so.
    content_id = given.content_id and given.content_id.removeprefix("<").removesuffix(">")
    filename = _SEPARATORS.split(given.filename)[-1]
    if filename.strip() in ("", ".", ".."):
        raise invalid(f"$.attachments[{place}].filename", "names no file")
    return ComposedAttachment(filename, _type_of(given), given.content, given.place, content_id)


def _type_of(given: NewAttachment) -> str:
    return given.content_type or sniffed_type(given.filename, given.content)
