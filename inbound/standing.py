"""Is a letter let in, or put aside: lists of senders, the author's own policy, the spam filter.

Mail that is put aside is kept whole and can be let in later; it raises no
`message.received`, so that no program acts on it.
"""

from dataclasses import dataclass

from inbound.arrivals import Arrival
from inbound.authenticate.results import Authentication
from inbound.letters.letter import Standing
from inbound.reading.parsed import Parsed
from relay.address import Address, InvalidAddress, parse_address
from relay.config import InboundConfig
from relay.errors import Refusal
from relay.lists import records as lists
from relay.message.person import Person
from relay.replies import SmtpReply
from relay.spool.records import Message
from relay.store.database import Reader


class AuthenticationFailed(Refusal):
    """The author's domain asks that mail which it does not vouch for be refused (RFC 9989 §5)."""

    reply = SmtpReply(550, "5.7.26", "This mail is not authentic, and its author's domain wants it refused")


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Knows the rules of the house for mail that comes in."""

    db: Reader
    inbound: InboundConfig

    async def standing(
        self, arrival: Arrival, message: Message, parsed: Parsed, authentication: Authentication
    ) -> Standing:
        """Blocked by a list, quarantined for what it is, or accepted."""
        if await self._is_blocked(arrival, message, parsed):
            return "blocked"
        if self._is_doubtful(authentication) or self._is_spam(arrival):
            return "quarantined"
        return "accepted"

    @property
    def judges_at_the_door(self) -> bool:
        """Whether the author must be judged before 250, because the answer may be no."""
        return self.inbound.on_auth_failure == "reject"

    def check(self, authentication: Authentication) -> None:
        """Raise AuthenticationFailed for what `inbound.on_auth_failure` keeps out before 250."""
        if self.refuses(authentication):
            dmarc = authentication.dmarc
            raise AuthenticationFailed(f"DMARC of {dmarc.domain}: {dmarc.reason or dmarc.verdict}")

    def refuses(self, authentication: Authentication) -> bool:
        """Whether it fails, the author's domain wants that refused, and so does the configuration."""
        dmarc = authentication.dmarc
        return self.judges_at_the_door and dmarc.verdict == "fail" and dmarc.policy == "reject"

    async def _is_blocked(self, arrival: Arrival, message: Message, parsed: Parsed) -> bool:
        """An author who is blocked or not among the allowed, or a reverse path that is blocked.

        A reverse path may be anything, such as a list's own, so it need not be allowed.
        """
        authors = _authors(parsed) or [None]
        path = message.reverse_path if isinstance(message.reverse_path, Address) else None
        names = [name for name in (*authors, path) if name]
        rules = await lists.rules_for(self.db, arrival.tenant_id, arrival.mailbox_id, "receive", names)
        if not all(rules.on_sender([author] if author else []).allowed for author in authors):
            return True
        return path is not None and rules.on_sender([path]).type == "block"

    def _is_doubtful(self, authentication: Authentication) -> bool:
        dmarc = authentication.dmarc
        wants = dmarc.policy in ("quarantine", "reject")
        return self.inbound.on_auth_failure != "mark" and dmarc.verdict == "fail" and wants

    def _is_spam(self, arrival: Arrival) -> bool:
        spam = arrival.screening.spam if arrival.screening else None
        return spam is not None and spam.is_spam and self.inbound.on_spam != "mark"


def _authors(parsed: Parsed) -> list[Address | None]:
    """Each author once; None for one without an address."""
    return list(dict.fromkeys(map(_address, parsed.sender)))


def _address(person: Person) -> Address | None:
    try:
        return parse_address(person.address)
    except InvalidAddress:
        return None
