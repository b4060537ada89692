"""The first line of an answer decides, if it is one word that cannot be meant otherwise."""

import pytest

from inbound.approving import Said, read_answer

ANSWERS = {
    "approve": Said("approved"),
    "Approved.\n\n-- \nThe boss": Said("approved"),
    "\n  YES!\nBest regards": Said("approved"),
    "no": Said("rejected"),
    "Reject\nWe do not know them.\nBob": Said("rejected", "We do not know them.\nBob"),
    "rejected.": Said("rejected"),
    "yes, but not today": Said(None),
    "no problem, send it": Said(None),
    "Dear agent,\napprove": Said(None),
    "approve reject": Said(None),
    "ok": Said(None),
    "> approve": Said(None),
    "": Said(None),
}


@pytest.mark.parametrize("text", ANSWERS)
def test_what_an_answer_decides(text: str) -> None:
    assert read_answer(text) == ANSWERS[text]
