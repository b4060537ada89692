"""Why a server said no: the class decides later what may be concluded about the address."""

import pytest

from relay.delivery.classify import find_reason
from relay.delivery.outcome import Phase, Reason
from relay.replies import SmtpReply

R = Reason


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (550, "5.1.1 <ann@example.net>: Recipient address rejected: User unknown", R.NO_SUCH_MAILBOX),
        (550, "5.1.1 The email account that you tried to reach does not exist", R.NO_SUCH_MAILBOX),
        (550, "No such user here", R.NO_SUCH_MAILBOX),
        (553, "sorry, no mailbox here by that name", R.NO_SUCH_MAILBOX),
        (550, "5.1.1 mail from 192.0.2.1 refused, see Spamhaus", R.REPUTATION),
        (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP", R.NO_SUCH_MAILBOX),
        (554, "delivery error: This user doesn't have a far.example account", R.NO_SUCH_MAILBOX),
        (550, "5.1.0 <app@ours.test>: Sender address rejected: User unknown", R.UNKNOWN),
        (550, "Sender verify failed: no such user", R.UNKNOWN),
        (550, "5.1.2 no such domain", R.INFRASTRUCTURE),
        (450, "user unknown in my cache, try later", R.UNKNOWN),
        (550, "no thanks", R.UNKNOWN),
        (550, "5.0.0 no thanks", R.UNKNOWN),
        (552, "5.2.2 over quota", R.MAILBOX_FULL),
        (452, "4.2.2 The recipient's inbox is out of storage", R.MAILBOX_FULL),
        (550, "mailbox is full", R.MAILBOX_FULL),
        (550, "5.2.1 disabled", R.POLICY),
        (550, "5.7.1 rejected by policy", R.POLICY),
        (550, "5.7.26 unauthenticated", R.POLICY),
        (554, "5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen", R.REPUTATION),
        (550, "5.7.25 no PTR", R.REPUTATION),
        (421, "4.7.28 unusual rate", R.RATE),
        (451, "too many connections", R.RATE),
        (452, "4.5.3 too many recipients", R.RATE),
        (552, "5.3.4 too large", R.CONTENT),
        (554, "5.6.0 malformed", R.CONTENT),
        (554, "message is spam", R.CONTENT),
        (451, "4.3.0 disk", R.INFRASTRUCTURE),
        (451, "4.4.3 dns", R.INFRASTRUCTURE),
    ],
)
def test_reasons_at_rcpt(code: int, text: str, reason: Reason) -> None:
    assert find_reason(Phase.RECIPIENT, SmtpReply.read(code, text)) is reason


@pytest.mark.parametrize("phase", [Phase.BANNER, Phase.MAIL, Phase.DATA])
def test_only_an_answer_about_the_recipient_says_that_there_is_no_mailbox(phase: Phase) -> None:
    assert find_reason(phase, SmtpReply.read(550, "5.1.1 user unknown")) is Reason.UNKNOWN
