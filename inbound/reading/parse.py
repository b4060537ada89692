"""Take one message apart: as much as can be read, and flags for the rest; never an exception.

Whoever wrote the message may have meant harm, so every step takes time and
memory in proportion to the octets, within the budgets of `tree`, `header` and
`texts`.
"""

from typing import TypedDict

from inbound.reading.budget import is_too_long
from inbound.reading.header import RawFields, content_fields, read_fields, shown, shown_fields, unfolded
from inbound.reading.marks import read_date, read_message_id, read_message_ids, read_thread_index
from inbound.reading.parsed import FoundBounce, Parsed, Report
from inbound.reading.people import read_people
from inbound.reading.report import read_report
from inbound.reading.texts import Text, Texts
from inbound.reading.tree import Part, read_tree
from relay.message.person import Person

_NOTIFIERS = ("mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon")

Flags = dict[str, None]


# What is read without a child: in a millisecond at most, by nobody's code but ours.
_SHORT_HEADER = 16_384
SHORT_BODY = 65_536
_BOTH_FORMS = ["text/plain", "text/html"]


def parse(header: bytes, body: bytes) -> Parsed:
    """What the message says. `header` is without the empty line behind it."""
    flags: Flags = {}
    fields = read_fields(header)
    tree = read_tree(content_fields(fields), body, flags)
    leaves, text, texts = _texts(tree, body, flags)
    report = read_report(leaves, body)
    people, marks = _people(fields, flags), _marks(fields, flags)
    shown_all, is_whole = shown_fields(fields)
    if not is_whole:
        flags["header_truncated"] = None
    is_notice = _is_notice(fields, people["sender"], tree, report) and not {
        "too_deep",
        "too_many_parts",
    } & set(flags)
    return Parsed(
        **people,
        **marks,
        date=read_date(unfolded(_first(fields, "date")[:1000])),
        fields=shown_all,
        text=texts.plain_of(text),
        html=text.html,
        attachments=tuple(sorted(texts.attachments, key=lambda attachment: attachment.part)),
        report=report,
        bounces=_bounces(header, body) if is_notice else (),
        flags=tuple(flags),
    )


def parse_simple(header: bytes, body: bytes) -> Parsed | None:
    """The same, but for `fields` and `date`, of a short message of one plain text, perhaps in HTML as well.

    None for any other. Notices are not simple: they are read with a library that we did not write.
    """
    if len(header) > _SHORT_HEADER or len(body) > SHORT_BODY:
        return None
    flags: Flags = {}
    fields = read_fields(header)
    tree = read_tree(content_fields(fields), body, flags)
    if not _is_simple(tree, body):
        return None
    _, text, texts = _texts(tree, body, flags)
    people, marks = _people(fields, flags), _marks(fields, flags)
    if _is_notice(fields, people["sender"], tree, None):
        return None
    return Parsed(
        **people,
        **marks,
        text=texts.plain_of(text),
        html=text.html,
        attachments=tuple(texts.attachments),
        flags=tuple(flags),
    )


def _is_simple(tree: Part, body: bytes) -> bool:
    if tree.content_type != "multipart/alternative":
        return tree.content_type == "text/plain"
    if [part.content_type for part in tree.children] != _BOTH_FORMS:
        return False
    # Without a plain text the HTML would have to be made into one.
    plain = tree.children[0]
    return bool(body[plain.start : plain.end].strip())


def _texts(tree: Part, body: bytes, flags: Flags) -> tuple[list[Part], Text, Texts]:
    leaves = list(tree.leaves())
    texts = Texts(body, {id(leaf): number for number, leaf in enumerate(leaves)}, flags)
    text = texts.read(tree)
    if is_too_long(text.plain or "", text.html):
        flags["too_long_to_separate"] = None
    return leaves, text, texts


class _People(TypedDict):
    sender: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    reply_to: tuple[Person, ...]


class _Marks(TypedDict):
    subject: str
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    thread_index: str | None


def _people(fields: RawFields, flags: Flags) -> _People:
    return _People(
        sender=_read_people(fields, "from", flags),
        to=_read_people(fields, "to", flags),
        cc=_read_people(fields, "cc", flags),
        reply_to=_read_people(fields, "reply-to", flags),
    )


def _read_people(fields: RawFields, name: str, flags: Flags) -> tuple[Person, ...]:
    if name not in fields:
        return ()
    people, is_whole = read_people(_joined(fields, name, ", "))
    if not is_whole:
        flags["too_many_people"] = None
    return tuple(people)


def _marks(fields: RawFields, flags: Flags) -> _Marks:
    references, are_all = read_message_ids(_joined(fields, "references", " "))
    if not are_all:
        flags["too_many_references"] = None
    return _Marks(
        subject=shown(_first(fields, "subject")),
        message_id=read_message_id(unfolded(_first(fields, "message-id"))),
        in_reply_to=read_message_ids(_joined(fields, "in-reply-to", " "))[0],
        references=references,
        thread_index=read_thread_index(unfolded(_first(fields, "thread-index")[:4000])),
    )


def _first(fields: RawFields, name: str) -> bytes:
    return next(iter(fields.get(name, ())), b"")


def _joined(fields: RawFields, name: str, between: str) -> str:
    return between.join(map(unfolded, fields.get(name, ())))


def _is_notice(fields: RawFields, sender: tuple[Person, ...], tree: Part, report: Report | None) -> bool:
    """Whether it looks like a bounce that no report explains."""
    if report is not None:
        return False
    if tree.content_type == "multipart/report" or _first(fields, "return-path").strip() == b"<>":
        return True
    return any(person.address.lower().startswith(_NOTIFIERS) for person in sender)


def _bounces(header: bytes, body: bytes) -> tuple[FoundBounce, ...]:
    # Half of what a child imports is for this alone.
    from inbound.reading.notices import read_notice

    return read_notice(header, body)
