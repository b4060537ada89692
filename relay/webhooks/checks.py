"""What an endpoint may be: its URL, label, kinds, filters, signature and fields. Nothing is written here."""

from collections.abc import Sequence
from typing import Final

from relay.address import InvalidAddress, parse_domain
from relay.errors import InvalidInput
from relay.events.kinds import BY_NAME, EventKind
from relay.webhooks.deliveries import Wishes
from relay.webhooks.endpoints import EVERYTHING
from relay.webhooks.fields import check_field_name, check_fields
from relay.webhooks.signature import STANDARD
from relay.webhooks.targets import check_literal, read_url

LONGEST_LABEL: Final = 200
LONGEST_TAG: Final = 513
MOST_FILTERS: Final = 100
_NOUNS = frozenset(kind.value.partition(".")[0] for kind in EventKind)


def check_url(url: str, *, allow_private_networks: bool) -> None:
    """Raise InvalidInput for a URL that is none, or that could never be posted to."""
    check_literal(read_url(url), allow_private_networks=allow_private_networks)


def check_label(label: str) -> None:
    """Raise InvalidInput for what is no label."""
    if len(label) > LONGEST_LABEL or not label.isprintable():
        raise InvalidInput(f"a label is one line of at most {LONGEST_LABEL} characters")


def read_kinds(texts: Sequence[str]) -> tuple[str, ...]:
    """The names as they are kept; raises InvalidInput for one that no event has."""
    if not texts:
        raise InvalidInput("an endpoint without any kind of event would get nothing")
    for text in texts:
        noun, _, rest = text.partition(".")
        if text != EVERYTHING and text not in BY_NAME and not (noun in _NOUNS and rest == EVERYTHING):
            raise InvalidInput(f"{text[:80]!r} is no kind of event such as message.received, message.* or *")
    return tuple(sorted(set(texts)))


def check_wishes(wishes: Wishes) -> None:
    """Raise InvalidInput for a style without its field, the reverse, and fields that cannot be."""
    if (wishes.signature_style == STANDARD) != (wishes.signature_header is None):
        raise InvalidInput("a signature of another style stands in a field that signature_header names")
    if wishes.signature_header is not None:
        check_field_name(wishes.signature_header)
    check_fields(wishes.headers, wishes.signature_header)


def read_domains(texts: Sequence[str]) -> tuple[str, ...]:
    """The names as domains are kept; raises InvalidInput for what is none."""
    _check_number(texts)
    try:
        return tuple(sorted({parse_domain(text) for text in texts}))
    except InvalidAddress as error:
        raise InvalidInput(f"that is no domain: {error}") from error


def read_tags(texts: Sequence[str]) -> tuple[str, ...]:
    """The tags, each once; raises InvalidInput for what no message can have."""
    _check_number(texts)
    for text in texts:
        if not text or len(text) > LONGEST_TAG or not text.isprintable():
            raise InvalidInput(f"a tag is one line of 1 to {LONGEST_TAG} characters")
    return tuple(sorted(set(texts)))


def _check_number(texts: Sequence[str]) -> None:
    if len(texts) > MOST_FILTERS:
        raise InvalidInput(f"at most {MOST_FILTERS} may be named")
