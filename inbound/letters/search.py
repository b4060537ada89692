"""The words of letters. Owns `letter_search`, which knows words and numbers, and no text.

What was put in must be named again to take it out, so both are made from the
same `words_of`. Letters of a mailbox are narrowed by a word of the mailbox's
own, which keeps a search as fast in a house of thousands as in one of two.
"""

import re
import unicodedata
from collections.abc import Iterable

from inbound.letters.records import Letter, People
from inbound.letters.texts import Text
from relay.errors import InvalidInput
from relay.store.database import Transaction
from relay.store.text import storable

MAX_BODY = 200_000  # characters of a letter whose words are found
MAX_QUERY = 500
_SAID = "{subject people body}"
_TERM = re.compile(r'"([^"]*)"|(\S+)')


async def insert_many(tx: Transaction, letters: Iterable[tuple[Letter, Text]]) -> None:
    """Make letters findable by their words."""
    await tx.execute_many(
        "insert into letter_search (rowid, scope, subject, people, body) values ($1, $2, $3, $4, $5)",
        [(letter.number, *words_of(letter, text)) for letter, text in letters],
    )


async def forget(tx: Transaction, letter: Letter, text: Text) -> None:
    """Take the words of a letter out again; both must be as they were put in."""
    await tx.execute(
        "insert into letter_search (letter_search, rowid, scope, subject, people, body)"
        " values ('delete', $1, $2, $3, $4, $5)",
        letter.number,
        *words_of(letter, text),
    )


def words_of(letter: Letter, text: Text) -> tuple[str, str, str, str]:
    """The four columns of the index: whose it is, subject, people, body."""
    scope = f"{scope_word(letter.tenant_id)} {scope_word(letter.mailbox_id)}"
    body = text.visible_text or text.text
    return scope, storable(letter.subject), " ".join(_names(letter.people)), storable(body[:MAX_BODY])


def query(text: str, scope_id: str, *, column: str | None = None) -> str:
    """A full-text query for what a person typed: all words, "phrases" as they stand, the last word begun.

    Nothing of it is an operator. Raises InvalidInput for a text without any word.
    """
    if len(text) > MAX_QUERY:
        raise InvalidInput(f"a search has up to {MAX_QUERY} characters")
    terms = [_quoted(found[1] or found[2] or "") for found in _TERM.finditer(text)]
    terms = [term for term in terms if term]
    if not terms:
        raise InvalidInput("a search needs at least one word")
    if not text.endswith('"'):
        terms[-1] += "*"
    wanted = " AND ".join(terms)
    scope = f'scope:"{scope_word(scope_id)}"'
    # Never in `scope`, whose words begin alike for every letter.
    return f"{scope} AND {column or _SAID}:({wanted})"


def scope_word(id_: str) -> str:
    """An id as one word that no letter holds by chance."""
    return "x" + id_.replace("_", "x")


def _quoted(term: str) -> str:
    """As a phrase, whose words the index parts as it parts a letter's; empty where it has none."""
    term = unicodedata.normalize("NFC", storable(term).replace('"', " "))
    return f'"{term}"' if any(map(str.isalnum, term)) else ""


def _names(people: People) -> Iterable[str]:
    for group in (people.sender, people.to, people.cc, people.bcc):
        for person in group:
            yield f"{storable(person.name)} {storable(person.address)}"
