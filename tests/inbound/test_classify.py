"""The kind of mail, by what real programs write; people's mail stays people's mail."""

import pytest

from inbound.classify import Classified, Kind, classify
from inbound.reading.parsed import Parsed, Report
from relay.address import NULL_PATH, ReversePath, parse_address
from tests.inbound.written import arf, dsn, mail

ANN = parse_address("ann@far.example")
APP = parse_address("app@ours.test")
K = Kind


def kind_of(
    parsed: Parsed, *, path: ReversePath = ANN, to: str = "app@ours.test", in_reply: bool = False
) -> Classified:
    return classify(parsed, reverse_path=path, recipient=parse_address(to), in_reply=in_reply)


def test_every_kind_says_what_it_means() -> None:
    assert [kind.value for kind in Kind] == [
        "reply", "new", "bounce", "complaint", "auto_reply", "list", "unsubscribe",
    ]  # fmt: skip
    assert all(kind.meaning for kind in Kind)


def test_a_letter_of_a_person_is_new_or_a_reply_and_not_automatic() -> None:
    assert kind_of(mail()) == Classified(K.NEW, False, ())
    assert kind_of(mail("Re: Offer"), in_reply=True) == Classified(
        K.REPLY, False, ("thread: joins mail of ours",)
    )


def recipients(*actions: str) -> str:
    groups = [f"Final-Recipient: rfc822; a@far.example\nAction: {action}" for action in actions]
    return "\n\n".join(["Reporting-MTA: dns; mail.far.example", *groups])


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        (["failed"], K.BOUNCE),
        (["delivered", "failed"], K.BOUNCE),
        (["delayed"], K.AUTO_REPLY),
        (["delivered"], K.AUTO_REPLY),
        (["relayed", "delayed"], K.AUTO_REPLY),
    ],
)
def test_a_delivery_report_is_a_bounce_only_if_something_failed(actions: list[str], kind: Kind) -> None:
    found = kind_of(dsn(recipients(*actions)), path=NULL_PATH, in_reply=True)
    assert (found.kind, found.automatic) == (kind, True)
    assert found.evidence == (
        "report: delivery-status", *dict.fromkeys(f"action: {action}" for action in actions),
    )  # fmt: skip


def test_a_report_that_a_person_forwards_is_that_persons_mail() -> None:
    report = dsn(recipients("failed")).report
    assert kind_of(mail("Fwd: Undelivered Mail", report=report)).kind is K.NEW
    assert kind_of(mail("Failed", report=report), path=NULL_PATH).kind is K.BOUNCE


@pytest.mark.parametrize(
    ("feedback", "kind"), [("abuse", K.COMPLAINT), ("not-spam", K.AUTO_REPLY), ("auth-failure", K.AUTO_REPLY)]
)
def test_feedback_is_a_complaint_only_if_somebody_complains(feedback: str, kind: Kind) -> None:
    found = kind_of(arf(f"Feedback-Type: {feedback}"))
    assert (found.kind, found.automatic) == (kind, True)
    assert found.evidence == ("report: feedback-report", f"feedback-type: {feedback}")


def test_a_receipt_is_automatic() -> None:
    report = Report("disposition-notification", ({"disposition": ["manual-action; displayed"]},), {})
    found = kind_of(mail("Read: Offer", fields="Content-Type: multipart/report", report=report))
    assert (found.kind, found.evidence) == (K.AUTO_REPLY, ("report: disposition-notification",))


@pytest.mark.parametrize(
    ("parsed", "path", "kind"),
    [
        (mail("failure notice", bounces=[("a@far.example", True)]), NULL_PATH, K.BOUNCE),
        (mail("hm", sender="MAILER-DAEMON@far.example", bounces=[("a@far.example", True)]), ANN, K.BOUNCE),
        (mail("hm", sender="postmaster@far.example", bounces=[("a@far.example", True)]), ANN, K.BOUNCE),
        (mail("hm", bounces=[("a@far.example", False)]), NULL_PATH, K.AUTO_REPLY),
        (mail("Mail delivery failed: returning message to sender"), NULL_PATH, K.BOUNCE),
        (mail("Undeliverable: Offer"), NULL_PATH, K.BOUNCE),
        (mail("Nicht zustellbar: Angebot"), NULL_PATH, K.BOUNCE),
        (mail("Warning: message 1abc delayed 24 hours"), NULL_PATH, K.AUTO_REPLY),
        (mail("Delayed Mail (still being retried)"), NULL_PATH, K.AUTO_REPLY),
        # A person speaks of failures, and a postmaster is a person.
        (mail("Undeliverable parcels", bounces=[("a@far.example", True)]), ANN, K.NEW),
        (mail("Re: Undelivered Mail", sender="postmaster@far.example"), ANN, K.NEW),
        (mail("Your mail to us", sender="postmaster@far.example"), ANN, K.NEW),
    ],
)
def test_notices_in_no_standard_form(parsed: Parsed, path: ReversePath, kind: Kind) -> None:
    assert kind_of(parsed, path=path).kind is kind


@pytest.mark.parametrize(
    "fields",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: Auto-Replied (vacation); owner-email=ann@far.example",
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: auto-notified",
        "X-Autoreply: yes",
        "X-Autorespond: Offer",
        "Precedence: auto_reply",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, OOF, AutoReply",
        "Auto-Submitted: auto-replied\nPrecedence: bulk\nList-Id: <x.far.example>",
    ],
)
@pytest.mark.parametrize("in_reply", [True, False])
def test_fields_of_programs(fields: str, in_reply: bool) -> None:
    found = kind_of(mail(fields=fields), in_reply=in_reply)
    assert (found.kind, found.automatic) == (K.AUTO_REPLY, True)
    assert found.evidence


@pytest.mark.parametrize(
    "fields", ["Auto-Submitted: no", "Auto-Submitted: No (a person)", "X-Auto-Response-Suppress: None"]
)
def test_a_program_that_says_no_is_believed(fields: str) -> None:
    assert kind_of(mail(fields=fields), in_reply=True).kind is K.REPLY


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: Offer", "Automatische Antwort: Angebot", "R\u00e9ponse automatique : Offre",
        "Respuesta autom\u00e1tica: Oferta", "Risposta automatica: Offerta", "Automatisch antwoord: Aanbod",
        "Autosvar: Tilbud", "Odpowied\u017a automatyczna: Oferta", "\u81ea\u52a8\u7b54\u590d: \u63d0\u8bae",
        "Out of Office AutoReply: Offer", "Out of Office: Offer", "Abwesenheitsnotiz: Angebot",
        "[Auto-Reply] Offer", "Auto-Reply: Offer",
    ],
)  # fmt: skip
def test_subjects_of_vacation_programs(subject: str) -> None:
    found = kind_of(mail(subject))
    assert (found.kind, found.evidence) == (K.AUTO_REPLY, ("subject: automatic reply",))


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Automatic reply: Offer", "How do I set an automatic reply?", "Out of office next week",
        "Autoreply settings", "Abwesenheit im Mai", "On vacation, at last", "Auto insurance: Offer",
    ],
)  # fmt: skip
def test_subjects_that_people_write(subject: str) -> None:
    assert kind_of(mail(subject)).kind is K.NEW
    assert kind_of(mail(subject), in_reply=True).kind is K.REPLY


AWAY = "I am currently out of the office and will be back on Monday.\n"


@pytest.mark.parametrize(
    ("parsed", "path", "in_reply", "kind"),
    [
        (mail("Offer", AWAY), NULL_PATH, True, K.AUTO_REPLY),
        (mail("Offer", "Ich bin im Urlaub.\n", fields="Precedence: bulk"), ANN, True, K.AUTO_REPLY),
        (mail("Out of office Re: Offer", AWAY), ANN, True, K.AUTO_REPLY),
        (mail("Out of office Re: Offer", AWAY), ANN, False, K.NEW),
        (mail("Re: Offer", AWAY), ANN, True, K.REPLY),
        (mail("Hotels for people on vacation", fields="List-Unsubscribe: <x>"), ANN, False, K.LIST),
    ],
)
def test_words_of_absence_need_a_second_sign(
    parsed: Parsed, path: ReversePath, in_reply: bool, kind: Kind
) -> None:
    assert kind_of(parsed, path=path, in_reply=in_reply).kind is kind


@pytest.mark.parametrize(
    "fields",
    [
        "List-Id: News <news.far.example>",
        "List-Unsubscribe: <https://far.example/u>",
        "Precedence: bulk",
        "Precedence: list",
        "Precedence: Junk",
        "Feedback-ID: 1:2:3:far",
        "List-Id: <repo.code.example>\nX-Auto-Response-Suppress: All\nAuto-Submitted: auto-generated",
    ],
)
def test_mail_to_many(fields: str) -> None:
    found = kind_of(mail(fields=fields))
    assert (found.kind, found.automatic) == (K.LIST, True)


def test_a_reply_through_a_provider_that_numbers_its_mail_is_a_reply() -> None:
    assert kind_of(mail("Re: Offer", fields="Feedback-ID: 1:2:3:far"), in_reply=True).kind is K.REPLY


def test_mail_from_the_null_path_is_not_a_persons() -> None:
    assert kind_of(mail(), path=NULL_PATH, in_reply=True).kind is K.AUTO_REPLY


QUOTED = "Unsubscribe\n\nOn Mon, 2 Mar 2026, App wrote:\n> Our offer of the week\n"


@pytest.mark.parametrize(
    "parsed",
    [
        mail("unsubscribe", ""),
        mail("Unsubscribe!", "please\n"),
        mail("Abmelden", ""),
        mail("Re: Offer", "unsubscribe\n"),
        mail("Re: Offer", "Please unsubscribe me.\n"),
        mail("Re: Offer", QUOTED),
        mail("Re: Offer", "Bitte abmelden\n-- \nAnn\n"),
    ],
)
def test_a_short_word_unsubscribes(parsed: Parsed) -> None:
    found = kind_of(parsed)
    assert (found.kind, found.automatic) == (K.UNSUBSCRIBE, False)


@pytest.mark.parametrize(
    "parsed",
    [
        mail("How do I unsubscribe?", "Your page is broken.\n"),
        mail("Re: Offer", "I will not unsubscribe, I like it.\n"),
        mail("unsubscribe", "Hello,\n\n" + "let me tell you what happened.\n" * 40),
        mail("Re: Unsubscribe", "Thank you!\n"),
    ],
)
def test_who_only_speaks_of_it_does_not_unsubscribe(parsed: Parsed) -> None:
    assert kind_of(parsed).kind is K.NEW


def test_the_tag_of_the_address_unsubscribes_also_when_a_program_pressed_the_button() -> None:
    to = "app+Unsubscribe@ours.test"
    assert kind_of(mail("x", "generated by Mail"), to=to).kind is K.UNSUBSCRIBE
    assert kind_of(mail(fields="Auto-Submitted: auto-generated"), to=to).kind is K.UNSUBSCRIBE
    assert kind_of(mail(fields="Auto-Submitted: auto-replied"), to=to).kind is K.AUTO_REPLY
    assert kind_of(mail("failure notice"), path=NULL_PATH, to=to).kind is K.BOUNCE
    assert kind_of(mail(), to="unsubscribe@ours.test").kind is K.NEW


def test_a_list_that_says_unsubscribe_asks_for_nothing() -> None:
    assert kind_of(mail("Unsubscribe", "", fields="List-Id: <x.far.example>")).kind is K.LIST


@pytest.mark.parametrize(
    "text", ["out of " * 600_000, "on " + "x" * 4_000_000, ">" * 4_000_000, "\n" * 4_000_000]
)
def test_endless_texts_are_looked_at_in_part(text: str) -> None:
    assert kind_of(mail("x" * 10_000, text)).kind is K.NEW


def test_mail_without_author_and_fields_is_mail() -> None:
    assert kind_of(Parsed()).kind is K.NEW
