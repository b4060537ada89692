"""Why a server refused a message, from its enhanced code and its words.

What a far server says in a session and what it reports later are read by the
same rules, so that both lead to the same conclusion about an address. Only
NO_SUCH_MAILBOX says something lasting about it, so it needs a clear word:
whatever speaks of blocks, reputation or rules outweighs a code that blames
the address.
"""

import re
from enum import Enum


class Reason(Enum):
    """Why, as far as the reply tells. Only NO_SUCH_MAILBOX says something lasting about the address."""

    NO_SUCH_MAILBOX = "no_such_mailbox"
    MAILBOX_FULL = "mailbox_full"
    POLICY = "policy"
    REPUTATION = "reputation"
    INFRASTRUCTURE = "infrastructure"
    RATE = "rate"
    CONTENT = "content"
    UNKNOWN = "unknown"


_BY_ENHANCED = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"\d\.1\.2\Z", Reason.INFRASTRUCTURE),  # the domain, not the mailbox
        (r"\d\.1\.[1-6]\Z", Reason.NO_SUCH_MAILBOX),
        (r"\d\.2\.1\Z", Reason.POLICY),
        (r"\d\.2\.2\Z", Reason.MAILBOX_FULL),
        (r"\d\.(2\.3|3\.4|6\.\d+)\Z", Reason.CONTENT),
        (r"\d\.(5\.3|7\.28)\Z", Reason.RATE),
        (r"\d\.7\.(25|32|606|607|708)\Z", Reason.REPUTATION),
        (r"\d\.7\.\d+\Z", Reason.POLICY),
        (r"\d\.(3|4)\.\d+\Z", Reason.INFRASTRUCTURE),
    )
)
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
    r"(?:user|mailbox|recipient|address|account)s? ?(?:is |was )?"
    r"(?:unknown|not ?found|does(?:n't| not) exist|invalid)"
    r"|(?:unknown|no such|invalid|nonexistent) (?:local |virtual )?"
    r"(?:user|mailbox|recipient|address|account|person)"
    r"|no mailbox here|user does(?:n't| not) have an? .{0,40}account",
    re.IGNORECASE,
)
# A server that asked about the sender's address, or looked it up, speaks of nobody else.
_SENDER_WORDS = re.compile(
    r"\bsender\b.{0,40}(?:reject|verif|denied|unknown|invalid|not (?:found|exist))"
    r"|\breturn.?path\b|\bmail from\b",
    re.IGNORECASE,
)
_FULL_WORDS = re.compile(
    r"(?:mailbox|inbox|user|recipient).{0,30}(?:full|over ?quota)|quota exceeded", re.IGNORECASE
)
_SPAM_WORDS = re.compile(r"\bspam\b|virus|malware|phish|content (?:rejected|denied)", re.IGNORECASE)


def find_reason(enhanced: str | None, text: str, *, is_permanent: bool) -> Reason:
    """The class of a refusal; `enhanced` is None or `5.1.1`, `text` what stands behind the codes.

    Words of reputation outweigh a code that blames the address; words that
    there is no such mailbox count only without a code, and only where the
    refusal is for good.
    """
    if _REPUTATION_WORDS.search(text):
        return Reason.REPUTATION
    reason = _from_enhanced(enhanced) or _from_words(text, is_permanent=is_permanent)
    about_sender = reason is Reason.NO_SUCH_MAILBOX and _SENDER_WORDS.search(text)
    return Reason.UNKNOWN if about_sender else reason


def _from_enhanced(enhanced: str | None) -> Reason | None:
    if enhanced is None or enhanced.endswith(".0.0"):
        return None
    return next((reason for pattern, reason in _BY_ENHANCED if pattern.match(enhanced)), None)


def _from_words(text: str, *, is_permanent: bool) -> Reason:
    if is_permanent and _UNKNOWN_WORDS.search(text):
        return Reason.NO_SUCH_MAILBOX
    for words, reason in (
        (_FULL_WORDS, Reason.MAILBOX_FULL),
        (_RATE_WORDS, Reason.RATE),
        (_SPAM_WORDS, Reason.CONTENT),
    ):
        if words.search(text):
            return reason
    return Reason.UNKNOWN
