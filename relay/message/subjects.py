"""Subjects as they wander: `Re:` and `Fwd:` in the languages that programs write them in.

Prefixes are taken off however they are spelled (`RE[2]:`, `AW:`, full-width
colons, inside encoded-words), so that an answer has one `Re: ` and threads
of one subject are found as one (RFC 5256 §2.1, and what programs do since).
"""

import re
import unicodedata

from relay.message.words import decode_words

_REPLY = (
    r"re|r|aw|antw|antwort|sv|vs|rif|res|odp|ynt|cevap|vá|atb|bls|απ|σχετ|отв|ответ"
    r"|回复|回覆|答复|返信|답장|회신"
)
_FORWARD = r"fwd?|wg|tr|rv|enc|i|vb|vl|doorst|pd|ilt|továbbítás|πρθ|пересл|转发|轉寄|转寄|転送|전달"
_COUNT = r"(?:[\[(^]{1,2}\d{1,3}[\])]?)?"
_REPLIES = re.compile(rf"\s*+(?:{_REPLY}){_COUNT}\s{{0,3}}[:：]\s*+", re.IGNORECASE)
_FORWARDS = re.compile(rf"\s*+(?:{_FORWARD}){_COUNT}\s{{0,3}}[:：]\s*+", re.IGNORECASE)
_TAG = re.compile(r"\s*+\[[^\[\]]{1,60}\]\s*+")
_FORWARDED = re.compile(r"\s*\(fwd\)\s*\Z", re.IGNORECASE)

MAX_LENGTH = 900


def reply_subject(subject: str) -> str:
    """`Re: ` and the subject without the reply prefixes that it had; list tags stay where they were."""
    return f"Re: {_without(subject, _REPLIES)}".rstrip()[:MAX_LENGTH]


def forward_subject(subject: str) -> str:
    """`Fwd: ` and the subject; a subject that says so already gets no second one."""
    return f"Fwd: {_without(subject, _FORWARDS)}".rstrip()[:MAX_LENGTH]


def canonical_subject(subject: str) -> str:
    """What a conversation is about: no prefixes and list tags, one case, single spaces; perhaps empty.

    A tag stays where nothing else would be left.
    """
    text = unicodedata.normalize("NFKC", decode_words(subject))
    at, tagged = 0, ""
    while found := _REPLIES.match(text, at) or _FORWARDS.match(text, at) or _TAG.match(text, at):
        at = found.end()
        tagged = found[0] if found.re is _TAG else tagged
    rest = text[at:]
    while found := _FORWARDED.search(rest[-200:]):
        rest = rest[: len(rest) - len(found[0])]
    return " ".join((rest.strip() or tagged).casefold().split())


def is_forward(subject: str) -> bool:
    """Whether the subject names its message a forward; of several prefixes the first counts."""
    return bool(_FORWARDS.match(" ".join(decode_words(subject).split())))


def _without(subject: str, prefixes: re.Pattern[str]) -> str:
    """The decoded subject without such prefixes at its start, before and behind list tags."""
    text = " ".join(decode_words(subject).split())
    at, tags = 0, ""
    while found := prefixes.match(text, at) or _TAG.match(text, at):
        at = found.end()
        tags += found[0].lstrip() if found.re is _TAG else ""
    return tags + text[at:]
