"""May this mailbox write to them? Asked for every recipient, and answered from memory where it can be.

Who has no lists pays one small read in `MAX_AGE`. What was judged is kept as
long as the directory keeps its answers, so the recipient that was let in at
RCPT costs no second read when the message is accepted; a change made through
`change` is seen at once.
"""

from collections import OrderedDict
from collections.abc import Sequence

from relay.address import Address
from relay.clock import Clock
from relay.errors import PolicyRefusal
from relay.lists import records
from relay.lists.records import UNLISTED, Verdict
from relay.replies import SmtpReply
from relay.store.database import Database, Work
from relay.tenants.directory import MAX_AGE, T
from relay.tenants.mailboxes import Mailbox

MAX_ENTRIES = 20_000


class RecipientNotAllowed(PolicyRefusal):
    """The sender's own lists say that this recipient is not written to."""

    code = "recipient_not_allowed"

    def __init__(self, mailbox: Mailbox, address: Address, verdict: Verdict) -> None:
        why = (
            f"{verdict.entry} is blocked" if verdict.type == "block" else "only listed recipients are allowed"
        )
        told = f"This mailbox may not write to {address}: {why}"
        super().__init__(f"{mailbox} may not write to {address}: {why}", SmtpReply(550, "5.7.1", told))


class Gate:
    """Judges recipients by the lists as they are now, or were `MAX_AGE` ago at most."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._listed: dict[str, tuple[float, bool]] = {}
        self._judged: OrderedDict[tuple[str, str], tuple[float, Verdict]] = OrderedDict()
        self._generation = 0

    async def check(self, mailbox: Mailbox, addresses: Sequence[Address]) -> None:
        """Raise RecipientNotAllowed for the first of `addresses` to whom the mailbox may not write."""
        if not await self._has_lists(mailbox.tenant_id):
            return
        unknown = [address for address in addresses if self._recall(mailbox, address) is None]
        judged = await self._judge(mailbox, unknown) if unknown else {}
        for address in addresses:
            verdict = judged.get(address) or self._recall(mailbox, address) or UNLISTED
            if not verdict.allowed:
                raise RecipientNotAllowed(mailbox, address, verdict)

    async def change(self, work: Work[T]) -> T:
        """Run `work` as a transaction on the lists; the next question sees what it did."""
        try:
            return await self._db.transact(work)
        finally:
            self.forget()

    def forget(self) -> None:
        """Drop what is remembered."""
        self._generation += 1
        self._listed.clear()
        self._judged.clear()

    async def _has_lists(self, tenant_id: str) -> bool:
        kept = self._listed.get(tenant_id)
        if kept is not None and self._is_fresh(kept[0]):
            return kept[1]
        now, generation = self._clock.monotonic(), self._generation
        found = await records.any_for(self._db, tenant_id, "send")
        if generation == self._generation:
            self._listed[tenant_id] = (now, found)
        return found

    async def _judge(self, mailbox: Mailbox, addresses: Sequence[Address]) -> dict[Address, Verdict]:
        now, generation = self._clock.monotonic(), self._generation
        rules = await records.rules_for(self._db, mailbox.tenant_id, mailbox.id, "send", addresses)
        judged = {address: rules.on(address) for address in addresses}
        # What was read while somebody changed it may be the old.
        if generation == self._generation:
            for address, verdict in judged.items():
                self._judged[mailbox.id, address.key] = (now, verdict)
            while len(self._judged) > MAX_ENTRIES:
                self._judged.popitem(last=False)
        return judged

    def _recall(self, mailbox: Mailbox, address: Address) -> Verdict | None:
        kept = self._judged.get((mailbox.id, address.key))
        return kept[1] if kept is not None and self._is_fresh(kept[0]) else None

    def _is_fresh(self, since: float) -> bool:
        return self._clock.monotonic() - since < MAX_AGE.total_seconds()
