"""Read a far server's reply: phase, code and enhanced code decide what it means.

Only a reply that clearly says no for ever to this recipient or message is
permanent. What belongs to the session (421, a refusing banner, a command
that is not understood, an answer out of turn) is tried elsewhere or later.
"""

from relay.delivery.outcome import Fate, Phase, Reason, Scope, Verdict
from relay.message import refusals
from relay.replies import SmtpReply

_SCOPES = {
    Phase.ROUTE: Scope.SITE,
    Phase.MAIL: Scope.MESSAGE,
    Phase.RECIPIENT: Scope.RECIPIENT,
    Phase.DATA: Scope.MESSAGE,
    Phase.FINAL_DOT: Scope.MESSAGE,
}
# The server does not understand us, not the recipient: RFC 5321 §4.2.2 500-504
# (501 and 504 name a parameter, so they do speak about this address or
# message), and 530-538, where it wants TLS or a login.
_NOT_ABOUT_THE_MAIL = frozenset({500, 502, 503, 530, 534, 535, 538})


def classify(phase: Phase, reply: SmtpReply) -> Verdict:
    """What `reply` to `phase` means. A reply out of place is the session's trouble, for now."""
    reason = find_reason(phase, reply)
    scope = _SCOPES.get(phase, Scope.SESSION)
    if is_yes(phase, reply):
        return Verdict(Fate.DELIVERED, scope, Reason.UNKNOWN)
    if reply.code < 400:
        return Verdict(Fate.DEFERRED, Scope.SESSION, Reason.INFRASTRUCTURE)
    if phase is Phase.ROUTE:
        return Verdict(Fate.BOUNCED if reply.is_permanent else Fate.DEFERRED, scope, reason)
    if scope is Scope.SESSION or reply.code == 421 or reply.code in _NOT_ABOUT_THE_MAIL:
        return Verdict(Fate.DEFERRED, Scope.SESSION, reason)
    if reply.is_temporary or (phase is Phase.RECIPIENT and reply.code == 552):
        # RFC 5321 §4.5.3.1.10: 552 to RCPT is an old way of saying 452.
        return Verdict(Fate.DEFERRED, scope, reason)
    return Verdict(Fate.BOUNCED, scope, reason)


def is_yes(phase: Phase, reply: SmtpReply) -> bool:
    """Whether this is the success that belongs to the phase; 220, 221 and 354 out of turn are not.

    The last digit is free (RFC 5321 §4.2.1: act on the first digit when the rest is unknown).
    """
    if phase in (Phase.BANNER, Phase.STARTTLS):
        return reply.code == 220
    if phase is Phase.AUTH:
        return reply.code == 235
    return phase not in (Phase.DATA, Phase.ROUTE) and 250 <= reply.code <= 259


def is_puzzling(phase: Phase, reply: SmtpReply) -> bool:
    """Whether this says yes to something that was not asked here."""
    expected = reply.code == 354 if phase is Phase.DATA else is_yes(phase, reply)
    return reply.code < 400 and not expected


def wants_another_transaction(reply: SmtpReply) -> bool:
    """Whether a RCPT was refused only because the transaction is full (RFC 5321 §4.5.3.1.10)."""
    return reply.code in (452, 552) and (reply.enhanced is None or reply.enhanced.endswith(".5.3"))


def find_reason(phase: Phase, reply: SmtpReply) -> Reason:
    """The class of a refusal. Words of reputation outweigh a code that blames the address."""
    if reply.code < 400:
        return Reason.UNKNOWN
    reason = refusals.find_reason(reply.enhanced, reply.text, is_permanent=reply.is_permanent)
    if reason is Reason.NO_SUCH_MAILBOX and phase not in (Phase.RECIPIENT, Phase.FINAL_DOT):
        return Reason.UNKNOWN  # said about the sender, or about nobody in particular
    return reason
