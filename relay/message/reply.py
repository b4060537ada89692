"""What an answer or a forward takes over from the message it is about: ids, people, and the quote.

Everything is computed from what the message said, so it may be wrong or
hostile: what comes out can be composed. RFC 5322 §3.6.3, §3.6.4. The HTML is
quoted as it is, without its document; clean it before it is shown.
"""

import html as entities
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.address import Address, InvalidAddress, parse_address
from relay.message.headers import format_date
from relay.message.person import Person
from relay.message.subjects import canonical_subject, forward_subject, is_forward, reply_subject

__all__ = [
    "Letter",
    "canonical_subject",
    "forward_html",
    "forward_subject",
    "forward_text",
    "is_among",
    "is_forward",
    "quote_html",
    "quote_text",
    "recipients_of_reply",
    "references_for",
    "reply_subject",
]

KEPT_REFERENCES = 20

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>\Z")
_BODY = re.compile(r"<body(?=[\s/>])", re.IGNORECASE)
_BODY_END = re.compile(r"</body(?=[\s/>])|</html(?=[\s/>])", re.IGNORECASE)
_NO_BODY = re.compile(r"\s*+(?:<!doctype[^<>]{0,200}>)?\s*+(?:<html[^<>]{0,1000}>)?", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_QUOTE_STYLE = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The facts of the message that is answered or forwarded; `is_ours`: we sent it."""

    sender: Person
    reply_to: tuple[Person, ...] = ()
    to: tuple[Person, ...] = ()
    cc: tuple[Person, ...] = ()
    subject: str = ""
    at: datetime | None = None
    is_ours: bool = False


def references_for(parent_message_id: str, parent_references: Sequence[str]) -> tuple[str, ...]:
    """References of the answer: the parent's and its own id, last; of a long chain the first and last ones.

    Where the parent has no References, give its In-Reply-To instead, if that
    is a single id (RFC 5322 §3.6.4). What is no Message-ID is left out.
    """
    known = [text for text in parent_references if _MESSAGE_ID.match(text) and text != parent_message_id]
    ids = list(dict.fromkeys(known))
    if len(ids) > KEPT_REFERENCES:
        ids = [ids[0], *ids[1 - KEPT_REFERENCES :]]
    return (*ids, parent_message_id) if _MESSAGE_ID.match(parent_message_id) else tuple(ids)


def is_among(own: Iterable[str]) -> Callable[[Address], bool]:
    """Whether an address is one of these, or one of their `+tag` forms."""
    keys = {parse_address(text).key for text in own}

    def is_own(address: Address) -> bool:
        bare = Address(address.local_part.partition("+")[0], address.domain)
        return address.key in keys or bare.key in keys

    return is_own


def recipients_of_reply(
    letter: Letter, is_own: Callable[[Address], bool], *, everyone: bool
) -> tuple[tuple[Person, ...], tuple[Person, ...]]:
    """To and Cc of an answer, nobody twice and none of our own addresses.

    An answer goes to Reply-To, else to the author; one to a message of our
    own goes on to its recipients. For `everyone`, the others stand in Cc.
    Mail that only we were part of is answered to ourselves. What is written
    as an address but is none is left out.
    """
    authors = letter.reply_to or (letter.sender,)
    if letter.is_ours or all(_is_own(person, is_own) for person in authors):
        to, cc = letter.to or letter.cc, letter.cc if everyone else ()
    else:
        to, cc = authors, (*letter.to, *letter.cc) if everyone else ()
    seen: set[str] = set()
    others = _others(to, is_own, seen), _others(cc, is_own, seen)
    if any(others):
        return others if others[0] else (others[1], ())
    return _others(to or authors, lambda address: False, set()), ()


def quote_text(text: str, who: Person, when: datetime | None) -> str:
    """The attribution and every line behind `>`, as RFC 3676 §4.5 nests them."""
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    quoted = [f">{line}" if not line or line.startswith(">") else f"> {line}" for line in lines]
    return "\n".join([_attribution(who, when), *quoted, ""])


def quote_html(html: str, who: Person, when: datetime | None) -> str:
    """The attribution and the content of the document in a blockquote that mail programs fold away."""
    attribution = entities.escape(_attribution(who, when))
    return (
        f'<div class="gmail_quote"><div class="gmail_attr">{attribution}<br></div>'
        f'<blockquote class="gmail_quote" type="cite" style="{_QUOTE_STYLE}">'
        f"{_content_of(html)}</blockquote></div>"
    )


def forward_text(text: str, letter: Letter) -> str:
    """The usual block: who wrote it to whom, when and about what, then the text as it was."""
    facts = [f"{name}: {value}" for name, value in _facts(letter)]
    return "\n".join(["---------- Forwarded message ---------", *facts, "", text.replace("\r\n", "\n")])


def forward_html(html: str, letter: Letter) -> str:
    """The same in HTML."""
    facts = "".join(f"<b>{name}:</b> {entities.escape(value)}<br>" for name, value in _facts(letter))
    return (
        '<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>'
        f"{facts}</div><br>{_content_of(html)}</div>"
    )


def _attribution(who: Person, when: datetime | None) -> str:
    name = _line(str(who)) or "Somebody"
    return f"On {format_date(when)}, {name} wrote:" if when else f"{name} wrote:"


def _facts(letter: Letter) -> list[tuple[str, str]]:
    facts = [
        ("From", str(letter.sender)),
        ("Date", format_date(letter.at) if letter.at else ""),
        ("Subject", letter.subject),
        ("To", ", ".join(map(str, letter.to))),
        ("Cc", ", ".join(map(str, letter.cc))),
    ]
    return [(name, _line(value)) for name, value in facts if value]


def _line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _content_of(html: str) -> str:
    """What stands between the tags of the document's body; all of it where there are none."""
    body = _BODY.search(html)
    if body:
        start = html.find(">", body.end()) + 1 or len(html)
    else:
        start = found.end() if (found := _NO_BODY.match(html)) else 0
    end = _BODY_END.search(html, start)
    return html[start : end.start() if end else len(html)]


def _others(
    people: Iterable[Person], is_own: Callable[[Address], bool], seen: set[str]
) -> tuple[Person, ...]:
    """Those with an address that is neither ours nor seen before; `seen` grows."""
    others = []
    for person in people:
        address = _address(person)
        if address and address.key not in seen and not is_own(address):
            seen.add(address.key)
            others.append(person)
    return tuple(others)


def _is_own(person: Person, is_own: Callable[[Address], bool]) -> bool:
    address = _address(person)
    return address is None or is_own(address)


def _address(person: Person) -> Address | None:
    try:
        return parse_address(person.address)
    except InvalidAddress:
        return None
