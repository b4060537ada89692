"""A received message leaves with our verdicts, and with nobody else's in our name."""

import pytest
from msgspec.structs import replace

from inbound.authenticate.results import ArcResult, Authentication, DmarcResult, SpfResult
from inbound.letters.letter import Letter, Match, People
from inbound.shown import shown_header

HOST = "mail.ours.test"
KEPT = (
    b"Received: from x\r\nAuthentication-Results: relay.example; spf=pass\r\n"
    b"From: a@far.example\r\nodd line\r\n"
)
FORGED = b"Authentication-Results: mail.ours.test; dmarc=pass\r\n"
LETTER = Letter(
    number=1,
    message_id="msg_1",
    tenant_id="ten_default",
    mailbox_id="inb_1",
    thread_id="thr_1",
    direction="in",
    at=1,
    kind="new",
    people=People(),
    match=Match(),
    authentication=Authentication(
        SpfResult("fail", "far.example"), (), DmarcResult("fail", "far.example", policy="reject"), ArcResult()
    ),
)


def test_our_field_stands_on_top_and_the_rest_as_it_came() -> None:
    shown = shown_header(LETTER, KEPT, HOST)
    assert shown.startswith(b"Authentication-Results: mail.ours.test;")
    assert b"dmarc=fail" in shown.removesuffix(KEPT)
    assert shown.endswith(KEPT)


@pytest.mark.parametrize(
    "forged",
    [
        FORGED,
        FORGED.replace(b"mail", b"MAIL"),
        FORGED.replace(b":", b" :"),
        FORGED.replace(b": ", b":\r\n\t"),
    ],
)
def test_a_forged_one_is_gone(forged: bytes) -> None:
    shown = shown_header(LETTER, forged + KEPT + forged, HOST)
    assert b"dmarc=pass" not in shown
    assert shown.endswith(KEPT)


def test_without_a_verdict_the_forged_one_is_gone_all_the_same() -> None:
    assert shown_header(replace(LETTER, authentication=None), FORGED + KEPT, HOST) == KEPT


def test_what_we_sent_is_as_it_is_kept() -> None:
    assert shown_header(replace(LETTER, direction="out"), FORGED + KEPT, HOST) == FORGED + KEPT
