"""What notices of real mail systems say: whom, for good or not, and why."""

import pytest

from inbound.bounces import read
from relay.address import parse_address
from relay.message.refusals import Reason
from tests.inbound.written import dsn, mail

R = Reason

POSTFIX = """\
Reporting-MTA: dns; mail.relay.example
X-Postfix-Queue-ID: 4C2B1F0A
X-Postfix-Sender: rfc822; b+x@bounces.ours.test
Arrival-Date: Mon,  2 Mar 2026 09:00:00 +0000 (UTC)

Final-Recipient: rfc822; ann@far.example
Original-Recipient: rfc822;ann@far.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 550 5.1.1 <ann@far.example>: Recipient address rejected:
    User unknown in local recipient table
"""
EXIM = """\
Reporting-MTA: dns; mail.relay.example

Action: failed
Final-Recipient: rfc822;ann@far.example
Status: 5.0.0
Remote-MTA: dns; mx.far.example
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
    550 5.1.1 double-checking the recipient's email address
"""
EXCHANGE = """\
Reporting-MTA: dns;AM0PR01MB0001.eurprd01.prod.example
Received-From-MTA: dns;mail.ours.test
Arrival-Date: Mon, 2 Mar 2026 09:00:00 +0000

Original-Recipient: rfc822;ann@far.example
Final-Recipient: rfc822;ann@far.example
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@far.example not found
    by SMTP address lookup
"""
GMAIL_FULL = """\
Reporting-MTA: dns; googlemail.com
Received-From-MTA: dns; b+x@bounces.ours.test

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 5.2.2
Remote-MTA: dns; gmail-smtp-in.l.far.example. (192.0.2.7, the server for the domain far.example.)
Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space.
Last-Attempt-Date: Mon, 02 Mar 2026 01:00:00 -0800 (PST)
"""
SENDMAIL = """\
Reporting-MTA: dns; mail.relay.example
Received-From-MTA: DNS; mail.ours.test

Final-Recipient: RFC822; <ann@far.example>
X-Actual-Recipient: RFC822; ann@mx.far.example
Action: failed
Status: 5.1.1
Diagnostic-Code: X-Unix; 67
"""
BLOCKED = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 Service unavailable; client host [192.0.2.1] blocked using Spamhaus
"""
POLICY = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.7.1 Message rejected due to local policy
"""
GAVE_UP = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 4.4.7
Diagnostic-Code: smtp; 450 4.1.1 unverified address: no such user, perhaps
"""
UNKNOWN_FOR_NOW = GAVE_UP.replace("4.4.7", "4.1.1")
OF_SENDER = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <app@ours.test>: Sender address rejected: User unknown
"""
DELAYED = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.far.example[192.0.2.7]:25: Connection timed out
Will-Retry-Until: Sat, 7 Mar 2026 09:00:00 +0000
"""
NO_ACTION = """\
Reporting-MTA: dns; mail.relay.example

Final-Recipient: rfc822; ann@far.example
Status: 5.1.1 (bad destination mailbox address)
"""
NO_EMPTY_LINE = """\
Reporting-MTA: dns; mail.relay.example
Final-Recipient: rfc822; ann@far.example
Action: failed (no such mailbox)
Status: 5.1.1
"""


@pytest.mark.parametrize(
    ("report", "permanent", "status", "reason"),
    [
        (POSTFIX, True, "5.1.1", R.NO_SUCH_MAILBOX),
        (EXIM, True, "5.0.0", R.NO_SUCH_MAILBOX),
        (EXCHANGE, True, "5.1.10", R.NO_SUCH_MAILBOX),
        (SENDMAIL, True, "5.1.1", R.NO_SUCH_MAILBOX),
        (NO_ACTION, True, "5.1.1", R.NO_SUCH_MAILBOX),
        (NO_EMPTY_LINE, True, "5.1.1", R.NO_SUCH_MAILBOX),
        (GMAIL_FULL, True, "5.2.2", R.MAILBOX_FULL),
        (BLOCKED, True, "5.1.1", R.REPUTATION),
        (POLICY, True, "5.1.1", R.POLICY),
        (GAVE_UP, True, "4.4.7", R.INFRASTRUCTURE),
        (UNKNOWN_FOR_NOW, True, "4.1.1", R.UNKNOWN),
        (OF_SENDER, True, "5.1.1", R.UNKNOWN),
        (DELAYED, False, "4.4.1", R.UNKNOWN),
    ],
    ids=[
        "postfix", "exim", "exchange", "sendmail", "no action", "no empty line", "gmail full",
        "blocked", "policy", "gave up", "unknown for now", "about the sender", "delayed",
    ],
)  # fmt: skip
def test_delivery_reports(report: str, permanent: bool, status: str, reason: Reason) -> None:
    (failure,) = read(dsn(report))
    assert failure.address == "ann@far.example"
    assert (failure.permanent, failure.status, failure.reason) == (permanent, status, reason)
    assert failure.source == "dsn"


def test_the_reply_is_the_far_servers_last_word() -> None:
    (failure,) = read(dsn(POSTFIX))
    assert str(failure.reply) == (
        "550 5.1.1 <ann@far.example>: Recipient address rejected: User unknown in local recipient table"
    )
    assert failure.remote_mta == "mx.far.example"


def test_without_a_reply_one_is_made_of_the_status() -> None:
    (failure,) = read(dsn(NO_ACTION))
    assert str(failure.reply) == "550 5.1.1 reported as undeliverable"
    (failure,) = read(dsn(GAVE_UP.replace("Diagnostic-Code: smtp; 450", "X-Code:")))
    assert (failure.reply.code, failure.reply.enhanced) == (550, None)


def test_success_is_no_failure_and_each_recipient_counts_for_itself() -> None:
    groups = ["Reporting-MTA: dns; mail.relay.example"]
    for number, action in enumerate(("failed", "delivered", "relayed", "expanded", "delayed", "failed")):
        status = {"failed": "5.2.1", "delayed": "4.0.0"}.get(action, "2.0.0")
        groups.append(f"Final-Recipient: rfc822; p{number}@far.example\nAction: {action}\nStatus: {status}")
    told = read(dsn("\n\n".join(groups)))
    assert [(each.address, each.permanent) for each in told] == [
        ("p0@far.example", True),
        ("p4@far.example", False),
        ("p5@far.example", True),
    ]


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("rfc822; ann+tag@far.example", {"ann+tag@far.example"}),
        ("rfc822;ann+2Btag@far.example", {"ann+2Btag@far.example", "ann+tag@far.example"}),
        ("utf-8; j\u00f6rg@far.example", {"j\u00f6rg@far.example"}),
        (r"utf-8; j\x{F6}rg@far.example", {"j\u00f6rg@far.example"}),
        ("RFC822;<Ann@FAR.example> (forwarded)", {"Ann@far.example"}),
        ("ann@far.example", {"ann@far.example"}),
        ("x400; /G=Ann/S=Example/", set()),
        ("rfc822; redacted", set()),
        ("", set()),
    ],
)
def test_addresses_are_read_as_written_and_decoded(field: str, meant: set[str]) -> None:
    (failure,) = read(
        dsn(f"Reporting-MTA: dns; m\n\nOriginal-Recipient: {field}\nAction: failed\nStatus: 5.1.1")
    )
    assert {str(address) for address in failure.original} == meant


QMAIL = """\
Hi. This is the qmail-send program at mail.relay.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ann@far.example>:
192.0.2.7 does not like recipient.
Remote host said: 550 5.1.1 User unknown
Giving up on 192.0.2.7.

<bob@far.example>:
Sorry, this message is too large (#5.2.3)

--- Below this line is a copy of the message.
"""
OLD_EXIM = """\
This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@far.example
    SMTP error from remote mail server after RCPT TO:<ann@far.example>:
    host mx.far.example [192.0.2.7]: 550 5.7.1 blocked by policy

------ This is a copy of the message, including all the headers. ------
"""


def test_a_notice_without_fields_is_read_by_the_words_beside_the_address() -> None:
    ann, bob = read(mail(text=QMAIL, bounces=[("ann@far.example", True), ("bob@far.example", True)]))
    assert (ann.address, ann.reason, ann.status) == ("ann@far.example", R.NO_SUCH_MAILBOX, "5.1.1")
    assert (bob.address, bob.reason, bob.status) == ("bob@far.example", R.CONTENT, "5.2.3")
    assert ann.source == bob.source == "notice"

    (failure,) = read(mail(text=OLD_EXIM, bounces=[("ann@far.example", True)]))
    assert (failure.permanent, failure.reason, failure.status) == (True, R.POLICY, "5.7.1")


def test_fields_come_before_what_was_guessed_from_the_text() -> None:
    report = dsn(DELAYED)
    guessed = mail(report=report.report, bounces=[("other@far.example", True)])
    assert [(each.address, each.permanent) for each in read(guessed)] == [("ann@far.example", False)]


def test_a_report_that_says_nothing_leaves_it_to_the_text() -> None:
    empty = dsn("Reporting-MTA: dns; mail.relay.example").report
    (failure,) = read(mail(report=empty, bounces=[("ann@far.example", True)]))
    assert failure.final == (parse_address("ann@far.example"),)


@pytest.mark.parametrize(
    "address", ["", "no address", "a@b@c", "\x00@far.example", "x" * 9000 + "@far.example"]
)
def test_what_is_no_address_names_nobody(address: str) -> None:
    (failure,) = read(mail(text="sorry " + address, bounces=[(address, True)]))
    assert failure.address == ""
    assert failure.reply.is_permanent


def test_an_endless_report_is_read_so_far() -> None:
    group = (
        "Final-Recipient: rfc822; ann@far.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 "
    )
    told = read(dsn("\n\n".join([group + "x" * 5000] * 1200)))
    assert len(told) == 1000
    assert len(told[0].diagnostic) == 500


def test_ordinary_mail_reports_nothing() -> None:
    assert read(mail()) == []
