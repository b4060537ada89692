"""Read a far server's reply: phase, code and enhanced code decide what it means.

Only a reply that clearly says no for ever to this recipient or message is
permanent. What belongs to the session (421, a refusing banner, a command
that is not understood, an answer out of turn) is tried elsewhere or later.
"""

import re

from relay.delivery.outcome import Fate, Phase, Reason, Scope, Verdict
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

_REASONS = (
    (r"\d\.1\.[1-6]\Z", Reason.NO_SUCH_MAILBOX),
    (r"\d\.2\.1\Z", Reason.POLICY),
    (r"\d\.2\.2\Z", Reason.MAILBOX_FULL),
    (r"\d\.(2\.3|3\.4|6\.\d+)\Z", Reason.CONTENT),
    (r"\d\.(5\.3|7\.28)\Z", Reason.RATE),
    (r"\d\.7\.(25|32|606|607|708)\Z", Reason.REPUTATION),
    (r"\d\.7\.\d+\Z", Reason.POLICY),
    (r"\d\.(3|4)\.\d+\Z", Reason.INFRASTRUCTURE),
)
_BY_ENHANCED = tuple((re.compile(pattern), reason) for pattern, reason in _REASONS)
_NOT_A_MAILBOX = re.compile(r"\d\.1\.2\Z")

_REPUTATION_WORDS = re.compile(
    r"black ?list|block ?list|deny ?list|dnsbl|\brbls?\b|spamhaus|spamcop|barracuda|proofpoint|senderscore"
    r"|reputation|listed (?:at|in|by|on)|poor sender|banned sending ip"
    r"|(?:\bip\b|network|client host).{0,60}block",
    re.IGNORECASE,
)
_RATE_WORDS = re.compile(
    r"rate.?limit|too many|too fast|too quickly|throttl|unusual rate"
    r"|exceeded.{0,40}(?:rate|messages|connections)",
    re.IGNORECASE,
)
_UNKNOWN_WORDS = re.compile(
    r"(?:user|mailbox|recipient|address|account)s? (?:is |was )?"
    r"(?:unknown|not found|does(?:n't| not) exist|invalid)"
    r"|(?:unknown|no such|invalid|nonexistent) (?:local |virtual )?(?:user|mailbox|recipient|address|account)"
    r"|no mailbox here",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(
    r"(?:mailbox|inbox|user|recipient).{0,30}(?:full|over ?quota)|quota exceeded", re.IGNORECASE
)
_SPAM_WORDS = re.compile(r"\bspam\b|virus|malware|phish|content (?:rejected|denied)", re.IGNORECASE)


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


def wants_another_transaction(reply: SmtpReply) -> bool:
    """Whether a RCPT was refused only because the transaction is full (RFC 5321 §4.5.3.1.10)."""
    return reply.code in (452, 552) and (reply.enhanced is None or reply.enhanced.endswith(".5.3"))


def find_reason(phase: Phase, reply: SmtpReply) -> Reason:
    """The class of a refusal. Words of reputation outweigh a code that blames the address."""
    if reply.code < 400:
        return Reason.UNKNOWN
    if _REPUTATION_WORDS.search(reply.text):
        return Reason.REPUTATION
    reason = _from_enhanced(reply.enhanced) or _from_words(reply)
    if reason is Reason.NO_SUCH_MAILBOX and phase not in (Phase.RECIPIENT, Phase.FINAL_DOT):
        return Reason.UNKNOWN  # said about the sender, or about nobody in particular
    return reason


def _from_enhanced(enhanced: str | None) -> Reason | None:
    if enhanced is None or enhanced.endswith(".0.0"):
        return None
    if _NOT_A_MAILBOX.match(enhanced):
        return Reason.INFRASTRUCTURE
    return next((reason for pattern, reason in _BY_ENHANCED if pattern.match(enhanced)), None)


def _from_words(reply: SmtpReply) -> Reason:
    if reply.is_permanent and _UNKNOWN_WORDS.search(reply.text):
        return Reason.NO_SUCH_MAILBOX
    for words, reason in (
        (_FULL_WORDS, Reason.MAILBOX_FULL),
        (_RATE_WORDS, Reason.RATE),
        (_SPAM_WORDS, Reason.CONTENT),
    ):
        if words.search(reply.text):
            return reason
    return Reason.UNKNOWN
