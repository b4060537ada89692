"""From a batch to its emails, each with its place in the request: as given, or one for each recipient."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Raw, structs

from api.decode import check_for_nul, decode_part
from api.mail.batch_shapes import BulkRecipient, ItemProblem, NewBatch, differs_from_default
from api.mail.emails import NewEmail
from api.mail.people import Named
from api.problems import FieldError, Problem, invalid

# A message to a thousand people is a thousand messages: octets of their attachments together.
MOST_ATTACHED = 256 << 20
_NOT_IN_ITEMS = ("dry_run", "idempotency_key")
_COMMON = tuple(name for name in NewBatch.__struct_fields__ if name in NewEmail.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a batch asks for, by place."""

    batch: NewBatch

    @classmethod
    def of(cls, batch: NewBatch) -> "Wishes":
        """Raises Problem (422, 413) for a batch that cannot be meant at all."""
        if (batch.emails is None) == (batch.recipients is None):
            raise invalid("$.emails", "a batch has either emails, or recipients and their common message")
        if batch.emails is not None and (common := differs_from_default(batch)):
            raise invalid(f"$.{common}", "goes with recipients; emails say it each for itself")
        check_for_nul(msgspec.json.encode(structs.replace(batch, emails=None, recipients=None)), "$")
        attached = sum(len(each.content) for each in batch.attachments)
        if attached * len(batch.recipients or ()) > MOST_ATTACHED:
            text = f"The attachments of all its messages together exceed {MOST_ATTACHED >> 20} MiB."
            raise Problem(413, "payload_too_large", text)
        return cls(batch)

    def __len__(self) -> int:
        return len(self._parts)

    def at(self, place: int) -> NewEmail:
        """The email of that place; raises Problem (422)."""
        part = bytes(self._parts[place])
        if self.batch.emails is not None:
            return _alone(decode_part(part, NewEmail, self.path(place)), self.path(place))
        recipient = decode_part(part, BulkRecipient, self.path(place))
        return self._to(recipient)

    def path(self, place: int) -> str:
        """Where it stands in the request."""
        if self.batch.emails is None:
            return f"$.recipients[{place}]"
        return f"$[{place}]" if self.batch.is_list_of else f"$.emails[{place}]"

    def problem_at(self, place: int, problem: Problem) -> ItemProblem:
        """The problem of one email, which names places in the request."""
        errors, detail = self._errors_of(place, problem), problem.detail
        if errors and detail.startswith(before := f"{problem.errors[0].path}: "):
            detail = f"{errors[0].path}: {detail.removeprefix(before)}"
        return ItemProblem(status=problem.status, code=problem.code, detail=detail, errors=errors)

    def _errors_of(self, place: int, problem: Problem) -> tuple[FieldError, ...]:
        return tuple(structs.replace(each, path=self._moved(place, each.path)) for each in problem.errors)

    def _moved(self, place: int, path: str) -> str:
        own = self.path(place)
        if path.startswith(own):
            return path
        if self.batch.emails is not None:
            return own + path.removeprefix("$")
        # The common message stands where it is; whom it goes to, and with what, is the recipient.
        if path.startswith("$.variables"):
            return own + path.removeprefix("$")
        return path.replace("$.to[0]", own, 1).replace("$.to", own, 1) if path.startswith("$.to") else path

    def _to(self, recipient: BulkRecipient) -> NewEmail:
        common = {name: getattr(self.batch, name) for name in _COMMON if name not in _NOT_IN_ITEMS}
        named = Named(address=recipient.address, email=recipient.email, name=recipient.name)
        common["variables"] = {**(self.batch.variables or {}), **recipient.variables}
        return NewEmail(to=[named], **common)

    @property
    def _parts(self) -> Sequence[Raw]:
        return self.batch.emails if self.batch.emails is not None else self.batch.recipients or ()


def _alone(wish: NewEmail, path: str) -> NewEmail:
    for name in _NOT_IN_ITEMS:
        if getattr(wish, name):
            raise invalid(f"{path}.{name}", "cannot be said of one email of a batch")
    return structs.replace(wish, idempotency_key=None)
