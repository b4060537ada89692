"""The words of letters. Owns `letter_search`, which knows words and numbers, and no text.

On SQLite (FTS5) what was put in must be named again to take it out, so both are
made from the same `words_of`; on PostgreSQL (`tsearch`) it is a row. Letters of
a mailbox are narrowed by a word of the mailbox's own, which keeps a search as
fast in a house of thousands as in one of two.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from inbound.letters import tsearch
from inbound.letters.letter import Letter, People
from inbound.letters.texts import Text
from relay.errors import InvalidInput
from relay.store.database import Engine, Transaction
from relay.store.text import storable

MAX_BODY = 200_000  # characters of a letter whose words are found
MAX_QUERY = 500
# What a letter `w` must fulfil for a query.
MATCHES: Final[Mapping[Engine, str]] = {
    "sqlite": "letter_search match ?",
    "postgresql": "w.words @@ cast(cast(? as text) as tsquery)",
}
_COLUMNS = ("scope", "subject", "people", "body")
_SAID = "{subject people body}"
_TERM = re.compile(r'"([^"]*)"|(\S+)')


async def insert_many(tx: Transaction, letters: Iterable[tuple[Letter, Text]]) -> None:
    """Make letters findable by their words."""
    if tx.engine == "postgresql":
        await tx.execute_many(
            "insert into letter_search (rowid, words) values ($1, cast(cast($2 as text) as tsvector))",
            [(letter.number, vector_of(letter, text)) for letter, text in letters],
        )
        return
    await tx.execute_many(
        "insert into letter_search (rowid, scope, subject, people, body) values ($1, $2, $3, $4, $5)",
        [(letter.number, *words_of(letter, text)) for letter, text in letters],
    )


async def forget(tx: Transaction, letter: Letter, text: Text) -> None:
    """Take the words of a letter out again; both must be as they were put in."""
    if tx.engine == "postgresql":
        await tx.execute("delete from letter_search where rowid = $1", letter.number)
        return
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
    return scope, storable(letter.subject), _names(letter.people), storable(body[:MAX_BODY])


def vector_of(letter: Letter, text: Text) -> str:
    """The same as PostgreSQL's index has it."""
    return tsearch.vector(zip(_COLUMNS, words_of(letter, text), strict=True))


def query(text: str, scope_id: str, *, column: str | None = None, engine: Engine = "sqlite") -> str:
    """A full-text query for what a person typed: all words, "phrases" as they stand, the last word begun.

    Nothing of it is an operator. Raises InvalidInput for a text without any word.
    """
    if len(text) > MAX_QUERY:
        raise InvalidInput(f"a search has up to {MAX_QUERY} characters")
    asked = [_cleaned(found[1] or found[2] or "") for found in _TERM.finditer(text)]
    asked = [term for term in asked if term]
    if not asked:
        raise InvalidInput("a search needs at least one word")
    last_is_begun = not text.endswith('"')
    if engine == "postgresql":
        return _tsquery(asked, scope_id, column, last_is_begun=last_is_begun)
    terms = [f'"{term}"' for term in asked]
    if last_is_begun:
        terms[-1] += "*"
    wanted = " AND ".join(terms)
    scope = f'scope:"{scope_word(scope_id)}"'
    # Never in `scope`, whose words begin alike for every letter.
    return f"{scope} AND {column or _SAID}:({wanted})"


def scope_word(id_: str) -> str:
    """An id as one word that no letter holds by chance."""
    return "x" + id_.replace("_", "x")


def all_of(queries: Sequence[str], engine: Engine) -> str:
    """One query for what fulfils them all."""
    return (" & " if engine == "postgresql" else " AND ").join(f"({each})" for each in queries)


def _tsquery(asked: Sequence[str], scope_id: str, column: str | None, *, last_is_begun: bool) -> str:
    phrases = [words for term in asked if (words := tsearch.words_in(term))]
    if not phrases:
        raise InvalidInput("a search needs at least one word")
    weights = tsearch.WEIGHTS[column] if column else tsearch.SAID
    scope = tsearch.condition([[scope_word(scope_id)]], tsearch.WEIGHTS["scope"], last_is_begun=False)
    return f"{scope} & {tsearch.condition(phrases, weights, last_is_begun=last_is_begun)}"


def _cleaned(term: str) -> str:
    """As a phrase, whose words the index parts as it parts a letter's; empty where it has none."""
    term = unicodedata.normalize("NFC", storable(term).replace('"', " "))
    return term if any(map(str.isalnum, term)) else ""


def _names(people: People) -> str:
    named = (*people.sender, *people.to, *people.cc, *people.bcc)
    return storable(" ".join([f"{person.name} {person.address}" for person in named]))
