"""Address lists as they come: whom a field means, as far as that can be told.

Beside `relay.message.addresses`, which decides who may send and therefore
refuses whatever is unclear, this reader shows people what is there. It knows
quotes, comments at any depth, groups and route addresses, takes semicolons for
commas, and never looks for an address inside an encoded-word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from relay.message.person import Person
from relay.message.words import decode_words

MAX_PEOPLE = 1000
_LONGEST_LIST = 200_000
_LONGEST_NAME = 500
_TOKEN = re.compile(r"[ \t\r\n]++|[^\s\"()<>,;:]++|.", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_COMMENT_PART = re.compile(r"\\.|[()]|[^()\\]++|\\", re.DOTALL)
_ADDRESS = re.compile(
    r"(?:\"[^\"\\\s<>@]{1,200}\"|[^\s\"(),:;<>@\[\]\\\x00-\x20\x7f-\xa0\ufffd]{1,200})"
    r"@(?:\[[0-9A-Za-z.:\-]{1,200}\]|[^\s\"(),:;<>@\[\]\\\x00-\x20\x7f-\xa0\ufffd]{1,253})\Z"
)
# Neither what nobody sees nor what turns the direction of writing is part of an address.
_UNSEEN = re.compile("[\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\uffff]|=\\?")
_SPACE = re.compile(r"\s+")
_LOOSE = re.compile(r" ?([@.]) ?")
# What most fields hold: one address, perhaps behind a name in plain words.
_MAILBOX = r"[A-Za-z0-9._+\-]{1,64}@[A-Za-z0-9.\-]{1,253}"
_ONE = re.compile(rf"((?:[A-Za-z0-9]{{1,40}} ){{0,8}})<({_MAILBOX})>\Z|({_MAILBOX})\Z")
_ROUTE = re.compile(r"@[^:]*+:")


def read_people(value: str) -> tuple[list[Person], bool]:
    """Everybody that an unfolded value names, in order, and whether they are all. Never raises."""
    if one := _ONE.match(value):
        return [Person(one[3]) if one[3] else Person(one[2], one[1][:-1])], True
    return _read_list(value)


def _read_list(value: str) -> tuple[list[Person], bool]:
    people: list[Person] = []
    for member in _members(value[:_LONGEST_LIST]):
        person = member.person()
        if person and member.inner is not None and people and not people[-1].address:
            # `Doe, John <john@…>` without the quotes that it needs.
            name = f"{people.pop().name}, {person.name}".strip(", ")
            person = Person(person.address, name[:_LONGEST_NAME])
        if person:
            people.append(person)
        if len(people) > MAX_PEOPLE:
            return people[:MAX_PEOPLE], False
    return people, len(value) <= _LONGEST_LIST


@dataclass(slots=True)
class _Member:
    """One member of a list while it is read: what stands before, in and beside angle brackets."""

    phrase: list[str] = field(default_factory=list)
    inner: list[str] | None = None
    comments: list[str] = field(default_factory=list)
    is_open: bool = False

    def add(self, text: str) -> None:
        (self.inner if self.is_open and self.inner is not None else self.phrase).append(text)

    def has_address(self) -> bool:
        return self.inner is not None or any("@" in text for text in self.phrase)

    def person(self) -> Person | None:
        phrase = "".join(self.phrase)
        if self.inner is not None:
            address, name = address_in("".join(self.inner)), phrase
            name = name if address or name.strip() else "".join(self.inner)
        else:
            address, name = _apart(phrase)
        shown = _name(name) or _name(" ".join(self.comments))
        return Person(address, shown) if address or shown else None


def address_in(text: str) -> str:
    """The address that `text` is, empty where it is none; a source route and stray spaces are dropped."""
    text = " ".join(text[:1000].split())
    if ":" in text:
        text = _ROUTE.sub("", text, count=1)
    if " " in text:
        text = _LOOSE.sub(r"\1", text).strip()
    return text if _ADDRESS.match(text) and not _UNSEEN.search(text) else ""


def _apart(phrase: str) -> tuple[str, str]:
    """An address without angle brackets and the words around it."""
    if address := address_in(phrase):
        return address, ""
    words = phrase[:_LONGEST_NAME].split()
    for place, word in enumerate(words):
        if "@" in word and (address := address_in(word)):
            return address, " ".join(words[:place] + words[place + 1 :])
    return "", phrase


def _name(text: str) -> str:
    """For showing: decoded, one line, without quotes around it."""
    if not text:
        return ""
    shown = decode_words(_SPACE.sub(" ", text[: 4 * _LONGEST_NAME]).strip())
    return shown.strip(" '\"").replace("\0", "")[:_LONGEST_NAME]


def _members(value: str) -> Iterator[_Member]:
    member, tokens = _Member(), _tokens(value)
    for kind, text in tokens:
        if kind == "comment":
            member.comments.append(text)
        elif kind == "<" and not member.is_open:
            member.inner, member.is_open = member.inner or [], True
        elif kind == ">":
            member.is_open = False
        elif kind == ":" and not member.has_address():
            member = _Member()  # the name of a group, or a scheme as in mailto:
        elif kind in (",", ";") and not _is_route(member):
            yield member
            member = _Member()
        else:
            member.add(text)
    yield member


def _is_route(member: _Member) -> bool:
    return member.is_open and bool(member.inner) and member.inner is not None and member.inner[0][:1] == "@"


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """Kind and text in turn. A quote or comment without end is looked for once: it costs the whole rest."""
    at = 0
    quotes = comments = True
    while at < len(value):
        if value[at] == '"' and quotes:
            quoted = _QUOTED.match(value, at)
            if quotes := quoted is not None:
                assert quoted is not None
                at = quoted.end()
                yield "quoted", _unquoted(quoted)
                continue
        if value[at] == "(" and comments:
            end = _end_of_comment(value, at)
            if comments := end is not None:
                assert end is not None
                yield "comment", _QUOTED_PAIR.sub(r"\1", value[at + 1 : end - 1])
                at = end
                continue
        found = _TOKEN.match(value, at)
        assert found is not None
        at = found.end()
        yield found[0], found[0]


def _unquoted(quoted: re.Match[str]) -> str:
    """Its text; the quotes stay where the local part of an address needs them."""
    if quoted.string[quoted.end() : quoted.end() + 1] == "@":
        return quoted[0]
    return _QUOTED_PAIR.sub(r"\1", quoted[1])


def _end_of_comment(value: str, at: int) -> int | None:
    depth = 0
    for part in _COMMENT_PART.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if not depth:
            return part.end()
    return None
