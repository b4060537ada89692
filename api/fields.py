"""Header fields as ASGI has them: octets, names in lower case."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from starlette.types import Scope

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]

_PLACE = "posthouse.fields"


def fields_of(scope: Scope) -> Mapping[bytes, bytes]:
    """A request's fields by name, made once; of several with one name the last."""
    found: Mapping[bytes, bytes] | None = scope.get(_PLACE)
    if found is None:
        found = scope[_PLACE] = dict(scope["headers"])
    return found
