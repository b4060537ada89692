"""Fill a wish in: its template, its variables, its alternatives. `preparing` asks for it once a message.

Variables stand before metadata, metadata before what is known of the message:
`email`, `name`, `first_name` and `last_name` of its first recipient, `date`,
`now` and `unsubscribe_url`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import structs

from api.call import Call
from api.mail.emails import NewEmail
from api.mail.people import One, person_of
from api.mail.placeholders import UNSUBSCRIBE_URL
from api.problems import FieldError, Problem, invalid
from relay.clock import Clock
from relay.errors import InvalidInput
from relay.message.person import Person
from relay.templates import limits, records, use
from relay.templates.content import Content
from relay.templates.questions import Render, Rendered, Source

_UNSAYABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Filling:
    """What is filled in, and from which template; `spins` where alternatives are drawn."""

    source: Source
    spins: bool
    template_id: str | None = None


async def rendered(call: Call, wish: NewEmail) -> NewEmail:
    """The wish with all of its places filled in, and its template by id; raises Problem (404, 422, 501).

    A wish with neither template, places, alternatives nor styles to put in stays as it is.
    """
    if wish.template is None and not wish.spintax and not wish.inline_css and not _has_places(wish):
        return structs.replace(wish, variables=None)
    filling = await _filling(call, wish)
    is_merged = wish.template is not None or wish.variables is not None
    values = {**known_of(call.house.clock, _first(wish)), **wish.metadata, **(wish.variables or {})}
    seed = _seed(filling.source, _first(wish)) if filling.spins else None
    answer = await fill(call, filling.source, values if is_merged else None, seed)
    headers = {name: answer.slots[f"headers.{name}"] for name in wish.headers}
    return structs.replace(
        wish,
        subject=answer.slots["subject"],
        html=answer.html,
        text=answer.text,
        headers=headers,
        template=filling.template_id,
        variables=None,
        spintax=False,
        inline_css=False,
    )


async def fill(call: Call, source: Source, values: Mapping[str, Any] | None, seed: str | None) -> Rendered:
    """The message filled in; raises Problem (422, 501) that says what keeps it from that."""
    check_variables(values or {})
    task = Render(source, None if values is None else dict(values), seed)
    answer = await call.house.renderer.ask(call.tenant_id, task)
    if answer.problem:
        raise problem_of(answer)
    if answer.missing:
        raise _missing(answer.missing)
    for slot, text in answer.slots.items():
        _check_slot(slot, text)
    return answer


def known_of(clock: Clock, person: Person | None) -> dict[str, Any]:
    """What can be said of every message, and of whoever it is for."""
    now = clock.now()
    known = {
        "now": now.isoformat(),
        "today": now.date().isoformat(),
        "date": now.date().isoformat(),
        "unsubscribe_url": UNSUBSCRIBE_URL,
    }
    if person is not None:
        first, _, last = person.name.strip().partition(" ")
        named = {"name": person.name.strip(), "first_name": first, "last_name": last.strip()}
        known |= {"email": person.address} | {name: text for name, text in named.items() if text}
    return known


def check_variables(values: Mapping[str, Any]) -> None:
    """Raise Problem (422) for more than a template is given."""
    if len(msgspec.msgpack.encode(values)) > limits.VARIABLES:
        raise invalid("$.variables", f"is larger than {limits.VARIABLES} octets")


def problem_of(answer: Rendered) -> Problem:
    """The answer that says why nothing was rendered."""
    path = f"$.{answer.where}" if answer.where else "$"
    if answer.problem == "not_installed":
        return not_installed(answer.where)
    return invalid(path, answer.why)


def not_installed(where: str) -> Problem:
    """501: this installation cannot do that."""
    path, text = f"$.{where}", "needs posthouse[templates], which is not installed here"
    return Problem(501, "not_installed", f"{path}: {text}", errors=[FieldError(path, text)])


def _has_places(wish: NewEmail) -> bool:
    parts = (wish.subject, wish.html or "", wish.text or "", *wish.headers.values())
    return wish.variables is not None and any("{{" in part or "{%" in part for part in parts)


async def _filling(call: Call, wish: NewEmail) -> Filling:
    """The wish's own words, and the template's where it has none; raises Problem (422)."""
    content, template_id, layout = Content(), None, None
    if wish.template is not None:
        template_id, content, layout = await _template(call, wish.template)
    own_html = wish.html or None
    source = Source(
        slots={"subject": wish.subject or content.subject}
        | {f"headers.{name}": text for name, text in wish.headers.items()},
        html=own_html or content.html,
        mjml=None if own_html else content.mjml,
        # Another HTML is not what the template's text says.
        text=wish.text if wish.text is not None else None if own_html else content.text,
        layout=None if own_html else layout,
        inline_css=wish.inline_css or content.inline_css,
    )
    return Filling(source, wish.spintax or content.spintax, template_id)


async def _template(call: Call, name: str) -> tuple[str, Content, Source | None]:
    db = call.house.db
    template = await records.find(db, call.tenant_id, name)
    if template is None:
        raise invalid("$.template", f"there is no template {name}")
    try:
        content = await use.published(db, template)
        return template.id, content, (await use.source_of(db, call.tenant_id, content)).layout
    except InvalidInput as error:
        raise invalid("$.template", str(error)) from error


def _first(wish: NewEmail) -> Person | None:
    """Whom the message speaks to: the first that it is written to."""
    people: list[One] = wish.to if isinstance(wish.to, list) else [wish.to]
    path = "$.to[0]" if isinstance(wish.to, list) else "$.to"
    return person_of(people[0], path) if people else None


def _seed(source: Source, person: Person | None) -> str:
    """The same for the same words to the same person, so that a repeated request says the same."""
    said = msgspec.msgpack.encode(source)
    return hashlib.sha256(said + (person.address if person else "").encode()).hexdigest()


def _missing(names: tuple[str, ...]) -> Problem:
    errors = [FieldError(f"$.variables.{name}", "is missing") for name in names]
    text = f"The message asks for {', '.join(names)}."
    return Problem(422, "template_missing_variables", text[:1000], errors=errors[:100])


def _check_slot(slot: str, text: str) -> None:
    """Raise Problem (422) for what a header field cannot say, wherever it came from."""
    if found := _UNSAYABLE.search(text):
        raise invalid(f"$.{slot}", f"filled in, it has {found[0]!r}, which cannot stand in a header field")
    if slot == "subject" and len(text) > limits.SUBJECT:
        raise invalid("$.subject", f"filled in, it is longer than {limits.SUBJECT} characters")
