"""What kind of mail it is. Pure: looks at one parsed message and at how it came.

The rules in their order; the first that fits decides:

1. A feedback report (ARF) of somebody's dislike is a complaint; other feedback is a program's notice.
2. A delivery report (RFC 3464) with a failure is a bounce; one of only delays
   and successes is a program's notice, and its evidence names the actions.
3. A disposition notification (RFC 8098) is a program's notice.
4. A failure notice in no standard form is a bounce: from the null path or a
   mail system, and with addresses it could not reach or a subject that says so.
5. Mail to the tag `+unsubscribe`, or to an address of ours by which one leaves, unless an autoresponder
   answers there.
6. An automatic answer: RFC 3834's field, an autoresponder's field or subject, or words of absence
   that a second sign confirms.
7. A short mail whose subject or whole new text is "unsubscribe".
8. Mail to many: list fields, Precedence. A Feedback-ID alone does not make an answer to us a list's.
9. Other mail that a program wrote, or that came from the null path: an automatic answer as well.
10. A reply when it joins our mail, else new.

Reports that a person forwards are that person's mail: a report counts only
where the message itself is one, or where a mail system sent it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from inbound import bounces, complaints
from inbound.automatic import absence_signs, answer_signs, generated_signs, list_signs
from inbound.reading.parsed import Parsed
from relay.address import Address, NullPath, ReversePath
from relay.message.dsn_text import DsnAction


class Kind(StrEnum):
    """What kind of mail it is; `meaning` says it in one line."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Kind":
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.meaning = meaning
        return kind

    REPLY = "reply", "a person answers mail of ours"
    NEW = "new", "a person writes to us first"
    BOUNCE = "bounce", "a mail system says that our mail could not be delivered"
    COMPLAINT = "complaint", "a provider says that our mail was marked as spam"
    AUTO_REPLY = "auto_reply", "a program wrote it: an absence, a receipt, a notification"
    LIST = "list", "it goes to many: a list, a newsletter"
    UNSUBSCRIBE = "unsubscribe", "somebody asks for no more mail"


@dataclass(frozen=True, slots=True)
class Classified:
    """The kind, and why.

    `automatic` says that no person waits for an answer, and that none may be
    sent by a program (RFC 3834 §2). `evidence` names what was seen, each as
    `where: what`.
    """

    kind: Kind
    automatic: bool
    evidence: tuple[str, ...]


UNSUBSCRIBE_TAG = "unsubscribe"
_SHORT = 500
_LOOKED_AT = 5000

_UNSUBSCRIBE = re.compile(
    r"\W*(?:please\s+|bitte\s+)?(?:unsubscribe(?:\s+me)?|opt[- ]out|abmelden|abbestellen|austragen)"
    r"(?:\s+please|\s+bitte)?\W*",
    re.IGNORECASE,
)
# Where the new text of an answer ends: a quote, its announcement, a signature.
_END_OF_NEW = re.compile(
    r"^(?:>|-- ?$|--+ ?(?:original|urspr)|_{10}|(?:from|von|de): |(?:on|am|le) .{1,200}:\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL_SYSTEM = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|mdaemon|mail-?delivery|microsoftexchange[0-9a-f]{32})", re.IGNORECASE
)
_POSTMASTER = re.compile(r"post-?master", re.IGNORECASE)
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|fwd?|wg|tr)\s*:", re.IGNORECASE)
_FAILED_SUBJECT = re.compile(
    r"undeliver(?:ed|able)|mail delivery (?:failed|failure|subsystem)|delivery (?:has failed|failure|failed)"
    r"|delivery status notification ?\(failure\)|returned (?:mail|to sender)|failure notice"
    r"|mail (?:system error|could not be delivered)|unzustellbar|nicht zustellbar|non remis"
    r"|no se puede entregar",
    re.IGNORECASE,
)
_DELAYED_SUBJECT = re.compile(
    r"delayed|delay\b|still being retried|warning: (?:could not|message)|verz[öo]gert", re.IGNORECASE
)


def classify(
    parsed: Parsed,
    *,
    reverse_path: ReversePath,
    recipient: Address,
    in_reply: bool,
    to_leave: bool = False,
) -> Classified:
    """The kind of a message that came from `reverse_path` to `recipient`.

    `in_reply` says that it was found to join mail of ours, `to_leave` that we
    signed the recipient's address for those who want no more.
    """
    return (
        _report(parsed, reverse_path)
        or _notice_without_form(parsed, reverse_path)
        or _to_unsubscribe_tag(parsed, recipient, signed=to_leave)
        or _automatic_answer(parsed, reverse_path, in_reply=in_reply)
        or _unsubscribe_words(parsed)
        or _to_many(parsed, in_reply=in_reply)
        or _written_by_program(parsed, reverse_path)
        or _personal(in_reply=in_reply)
    )


def _report(parsed: Parsed, reverse_path: ReversePath) -> Classified | None:
    report = parsed.report
    if report is None or not (_is_report_itself(parsed) or _mail_system_signs(parsed, reverse_path)):
        return None
    evidence: tuple[str, ...] = (f"report: {report.kind}",)
    if (complaint := complaints.read(parsed)) is not None:
        evidence += (f"feedback-type: {complaint.feedback_type}",)
        return _by_program(Kind.COMPLAINT if complaint.is_unwanted else Kind.AUTO_REPLY, evidence)
    if report.kind == "delivery-status":
        return _delivery_report(parsed, evidence)
    return _by_program(Kind.AUTO_REPLY, evidence)


def _delivery_report(parsed: Parsed, evidence: tuple[str, ...]) -> Classified | None:
    """None for a report of which nothing can be read: the other rules look at it then."""
    actions = bounces.actions_of(parsed)
    if not actions:
        return None
    evidence += tuple(f"action: {action}" for action in dict.fromkeys(actions))
    return _by_program(Kind.BOUNCE if DsnAction.FAILED in actions else Kind.AUTO_REPLY, evidence)


def _notice_without_form(parsed: Parsed, reverse_path: ReversePath) -> Classified | None:
    evidence = _mail_system_signs(parsed, reverse_path)
    if not evidence:
        return None
    if parsed.bounces:
        failed = any(found.permanent for found in parsed.bounces)
        evidence += (f"text: {'failed' if failed else 'delayed'} addresses",)
        return _by_program(Kind.BOUNCE if failed else Kind.AUTO_REPLY, evidence)
    subject = parsed.subject
    if _ANSWER.match(subject) or _DELAYED_SUBJECT.search(subject):
        return None
    if _FAILED_SUBJECT.search(subject):
        return _by_program(Kind.BOUNCE, (*evidence, "subject: not delivered"))
    return None


def _to_unsubscribe_tag(parsed: Parsed, recipient: Address, *, signed: bool) -> Classified | None:
    tag = recipient.local_part.partition("+")[2]
    if not (signed or tag.lower() == UNSUBSCRIBE_TAG) or answer_signs(parsed):
        return None
    # The reader's program may have sent it; a person pressed the button.
    seen = "signed to leave" if signed else f"+{UNSUBSCRIBE_TAG}"
    return Classified(Kind.UNSUBSCRIBE, False, (f"recipient: {seen}",))


def _automatic_answer(parsed: Parsed, reverse_path: ReversePath, *, in_reply: bool) -> Classified | None:
    signs = answer_signs(parsed) or _absence(parsed, reverse_path, in_reply=in_reply)
    return _by_program(Kind.AUTO_REPLY, signs) if signs else None


def _absence(parsed: Parsed, reverse_path: ReversePath, *, in_reply: bool) -> tuple[str, ...]:
    """Words of absence with what confirms them; people write such words too, and so do newsletters."""
    of_list = list_signs(parsed)
    others = (*_null_path_sign(reverse_path), *generated_signs(parsed), *of_list)
    if any(sign.startswith("field") for sign in of_list) or not (others or in_reply):
        return ()
    absence = absence_signs(parsed)
    return (*absence, *others) if len(absence) > 1 or (absence and others) else ()


def _unsubscribe_words(parsed: Parsed) -> Classified | None:
    if list_signs(parsed) or generated_signs(parsed):
        return None
    end = _END_OF_NEW.search(parsed.text, 0, _LOOKED_AT)
    text = parsed.text[: end.start() if end else _LOOKED_AT].strip()
    if len(text) > _SHORT:
        return None
    for where, words in (("subject", parsed.subject), ("text", text)):
        if _UNSUBSCRIBE.fullmatch(words):
            return Classified(Kind.UNSUBSCRIBE, False, (f"{where}: unsubscribe",))
    return None


def _to_many(parsed: Parsed, *, in_reply: bool) -> Classified | None:
    signs = list_signs(parsed)
    if not signs or (in_reply and signs == ("field: feedback-id",)):
        return None
    return _by_program(Kind.LIST, signs)


def _written_by_program(parsed: Parsed, reverse_path: ReversePath) -> Classified | None:
    signs = (*generated_signs(parsed), *_null_path_sign(reverse_path), *_author_sign(parsed, _MAIL_SYSTEM))
    return _by_program(Kind.AUTO_REPLY, signs) if signs else None


def _personal(*, in_reply: bool) -> Classified:
    if in_reply:
        return Classified(Kind.REPLY, False, ("thread: joins mail of ours",))
    return Classified(Kind.NEW, False, ())


def _by_program(kind: Kind, evidence: Iterable[str]) -> Classified:
    return Classified(kind, True, tuple(evidence))


def _is_report_itself(parsed: Parsed) -> bool:
    return parsed.first("content-type").strip().lower().startswith("multipart/report")


def _mail_system_signs(parsed: Parsed, reverse_path: ReversePath) -> tuple[str, ...]:
    return (
        *_null_path_sign(reverse_path),
        *_author_sign(parsed, _MAIL_SYSTEM),
        *_author_sign(parsed, _POSTMASTER),  # notices come from it, but it is a person as well
    )


def _author_sign(parsed: Parsed, names: re.Pattern[str]) -> tuple[str, ...]:
    local_part = parsed.sender[0].address.rpartition("@")[0] if parsed.sender else ""
    return (f"author: {local_part.lower()[:40]}",) if names.fullmatch(local_part) else ()


def _null_path_sign(reverse_path: ReversePath) -> tuple[str, ...]:
    return ("reverse path: null",) if isinstance(reverse_path, NullPath) else ()
