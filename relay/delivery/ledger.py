"""Keep, during an attempt, who is still to be tried and the best that is known about everybody."""

from collections.abc import Sequence
from dataclasses import replace

from relay.delivery.connection import Connection
from relay.delivery.outcome import Fate, Outcome, Phase, Scope, Verdict
from relay.delivery.parcel import ParcelRecipient
from relay.delivery.route import Hop
from relay.delivery.trail import Trail
from relay.delivery.transaction import Finding
from relay.replies import TEMPORARY_FAULT, SmtpReply

# What a server said about the recipient tells more than that the next one was not there.
_WEIGHTS = {Scope.RECIPIENT: 3, Scope.MESSAGE: 2, Scope.SESSION: 1, Scope.SITE: 0}


class Ledger:
    """One line for each recipient. A recipient is `open` until the next host cannot change its lot."""

    def __init__(self, recipients: Sequence[ParcelRecipient], trail: Trail, temporary_refusals: int) -> None:
        self._recipients = {recipient.id: recipient for recipient in recipients}
        self._open = dict(self._recipients)
        self._best: dict[int, Outcome] = {}
        self._refusals: dict[int, int] = {}
        self._trail = trail
        self._temporary_refusals = temporary_refusals

    @property
    def open(self) -> list[ParcelRecipient]:
        """Who may be tried at the next host, in the parcel's order."""
        return list(self._open.values())

    def record(self, finding: Finding, connection: Connection) -> None:
        """Enter what a transaction found out about one recipient."""
        outcome = Outcome(
            finding.recipient.id,
            finding.verdict.fate,
            finding.verdict.scope,
            finding.reply,
            mx=connection.hop.host,
            ip=str(connection.hop.ip),
            tls=str(connection.tls) if connection.tls else None,
            passed_dsn_on=connection.offers("dsn"),
            ambiguous=finding.ambiguous,
            reason=finding.verdict.reason,
            phase=finding.phase,
        )
        self._enter(outcome)
        if self._is_settled(outcome):
            self._open.pop(finding.recipient.id, None)

    def note_trouble(self, verdict: Verdict, reply: SmtpReply, phase: Phase, hop: Hop | None = None) -> None:
        """Enter, for everybody still open, that a host or the whole site could not be used."""
        for recipient_id in self._open:
            outcome = Outcome(
                recipient_id, verdict.fate, verdict.scope, reply, reason=verdict.reason, phase=phase
            )
            if hop is not None:
                outcome = replace(outcome, mx=hop.host, ip=str(hop.ip))
            self._enter(outcome)

    def outcomes(self) -> list[Outcome]:
        """The outcome of everybody, in the parcel's order, with the dialogue that led there."""
        return [
            replace(self._known(number), dialogue=self._trail.of_recipient(number))
            for number in self._recipients
        ]

    def _known(self, recipient_id: int) -> Outcome:
        outcome = self._best.get(recipient_id)
        if outcome is None:  # nothing was found out: wait, rather than guess
            return Outcome(recipient_id, Fate.DEFERRED, Scope.SITE, TEMPORARY_FAULT)
        return _at_site(outcome)

    def _enter(self, outcome: Outcome) -> None:
        known = self._best.get(outcome.recipient_id)
        if known is None or _weight(outcome) >= _weight(known):
            self._best[outcome.recipient_id] = outcome

    def _is_settled(self, outcome: Outcome) -> bool:
        """Delivered, bounced, perhaps delivered, refused with the whole content, or refused often enough."""
        if outcome.fate is not Fate.DEFERRED or outcome.ambiguous:
            return True
        if outcome.scope is Scope.SESSION:
            return False
        number = outcome.recipient_id
        self._refusals[number] = self._refusals.get(number, 0) + 1
        return outcome.phase is Phase.FINAL_DOT or self._refusals[number] >= self._temporary_refusals


def _weight(outcome: Outcome) -> tuple[bool, bool, int, bool]:
    was_reached = outcome.phase is not Phase.CONNECT
    return outcome.fate is not Fate.DEFERRED, outcome.ambiguous, _WEIGHTS[outcome.scope], was_reached


def _at_site(outcome: Outcome) -> Outcome:
    """Trouble in reaching any host, told of the site as a whole."""
    unreached = outcome.phase in (Phase.CONNECT, Phase.ROUTE) and outcome.scope is Scope.SESSION
    return replace(outcome, scope=Scope.SITE) if unreached else outcome
