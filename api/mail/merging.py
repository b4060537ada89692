"""What stands instead of `{{name}}` in a message that many get: plain words, never more braces."""

import html
import re
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from api.mail.emails import NewEmail
from api.problems import FieldError, Problem

Value = str | int | float | bool | None

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]{0,99})\s*\}\}")
_AS_IT_IS: Callable[[str], str] = str


def merged(wish: NewEmail, variables: Mapping[str, Value], path: str) -> NewEmail:
    """The wish with the recipient's words in subject, text and html; in html they are text.

    Raises Problem (422 `template_missing_variables`) that names those that are
    missing, below `path`.
    """
    said = (wish.subject, wish.text or "", wish.html or "")
    if not any("{{" in each for each in said):
        return wish
    named = dict.fromkeys(name for each in said for name in _PLACE.findall(each))
    if missing := [name for name in named if name not in variables]:
        raise missing_variables(missing, path)
    words = {name: _word(value) for name, value in variables.items()}
    return structs.replace(
        wish,
        subject=_filled(wish.subject, words, _AS_IT_IS),
        text=None if wish.text is None else _filled(wish.text, words, _AS_IT_IS),
        html=None if wish.html is None else _filled(wish.html, words, html.escape),
    )


def missing_variables(names: Sequence[str], path: str) -> Problem:
    """Variables that a message names and nobody gives."""
    errors = [FieldError(f"{path}.{name}", "is named in the message, and missing") for name in names]
    return Problem(
        422, "template_missing_variables", f"Variables are missing: {', '.join(names)}", errors=errors
    )


def _filled(text: str, words: Mapping[str, str], spelled: Callable[[str], str]) -> str:
    return _PLACE.sub(lambda found: spelled(words[found[1]]), text)


def _word(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
