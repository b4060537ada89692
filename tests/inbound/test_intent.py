"""Intent: said only where the words say it, and never a yes that was a no."""

import pytest

from inbound.intent import Intent, intent_of

I = Intent  # noqa: E741 - the table reads better


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Yes, I'm interested. Please go on.", I.INTERESTED),
        ("This sounds great!", I.INTERESTED),
        ("Could you send me more information?", I.INTERESTED),
        ("Wir sind sehr interessiert.", I.INTERESTED),
        ("Das klingt spannend, bitte weitere Infos.", I.INTERESTED),
        ("We are not interested, thanks.", I.NOT_INTERESTED),
        ("I'm no longer interested.", I.NOT_INTERESTED),
        ("No thanks.", I.NOT_INTERESTED),
        ("We'll pass for now.", I.NOT_INTERESTED),
        ("Wir haben kein Interesse.", I.NOT_INTERESTED),
        ("Nein danke, wir haben keinen Bedarf.", I.NOT_INTERESTED),
        ("Can we have a call next week?", I.MEETING),
        ("Let's schedule a quick call.", I.MEETING),
        ("K\u00f6nnen wir einen Termin vereinbaren?", I.MEETING),
        ("What does it cost for ten people?", I.QUESTION),
        ("Gibt es das auch in Blau?", I.QUESTION),
        ("Please remove me from your list.", I.UNSUBSCRIBE),
        ("unsubscribe", I.UNSUBSCRIBE),
        ("Stop emailing me!", I.UNSUBSCRIBE),
        ("Bitte nehmen Sie mich aus Ihrem Verteiler.", I.UNSUBSCRIBE),
        ("I'm currently out of the office until Monday.", I.OUT_OF_OFFICE),
        ("Ich bin bis zum 3. M\u00e4rz nicht im B\u00fcro.", I.OUT_OF_OFFICE),
    ],
)
def test_clear_words(text: str, intent: Intent) -> None:
    assert intent_of("Re: Offer", text) is intent


@pytest.mark.parametrize(
    "text",
    [
        "", "Thank you, received.", "Vielen Dank!", "Not interested in A, but B sounds great!",
        "It does not sound good to me, sorry.", "I have a meeting now.", "I pass this on to my colleague.",
        "???", "> Are you interested?",
    ],
)  # fmt: skip
def test_unclear_words_have_none(text: str) -> None:
    assert intent_of("Re: Offer", text) is None


@pytest.mark.parametrize(
    "no", ["I'm not interested", "not really interested", "Kein Interesse", "nicht interessiert"]
)
def test_a_no_is_never_a_yes(no: str) -> None:
    for text in (no, f"{no}.", f"Hello,\n{no}, sorry.\nAnn"):
        assert intent_of("", text) is Intent.NOT_INTERESTED


def test_a_long_letter_that_mentions_unsubscribing_does_not_ask_for_it() -> None:
    assert intent_of("", "please unsubscribe " + "and so on " * 60) is None


def test_the_subject_counts_where_it_is_the_authors_own() -> None:
    assert intent_of("Unsubscribe", "Thanks, Ann") is Intent.UNSUBSCRIBE
    assert intent_of("Re: How to unsubscribe me", "Thanks, Ann") is None


@pytest.mark.parametrize("text", ["no " * 2_000_000, "bin bis " * 600_000, "a" * 4_000_000, "?" * 4_000_000])
def test_endless_texts_are_looked_at_in_part(text: str) -> None:
    assert intent_of("", text) is None
