"""Who sent a letter is judged by his domain's DNS, told with the letter, and may keep it out."""

from pathlib import Path
from typing import Any

import pytest

from inbound.letters.letter import Letter
from inbound.shown import shown_header
from relay.events import log
from relay.message.canonical import RelaxedBodyHash
from relay.message.headers import Header
from relay.signing.keys import KeyRing
from relay.signing.signer import Signer
from relay.spool import records as spool
from tests.fakes.dns_server import FakeDns
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, House
from tests.flows.letters import ANN, APP, letter_of, received, written
from tests.flows.test_inbound import deliver

MAIL = written("Message-ID: <1@far.example>", "Date: Mon, 02 Mar 2026 08:59:00 +0000", subject="Hello")


async def signed(house: House, keys_of: Path, message: bytes = MAIL) -> bytes:
    """The message with the signatures of Ann's domain, whose keys are published."""
    ring = KeyRing(keys_of)
    for key in ring.generate(FAR, house.clock.now()):
        house.dns.txt(f"{key.selector}._domainkey.{FAR}", key.dns_record)
    head, _, body = message.partition(b"\r\n\r\n")
    hasher = RelaxedBodyHash()
    hasher.update(body)
    signer = Signer(ring)
    fields = await signer.sign(FAR, Header.parse(head + b"\r\n"), hasher.digest(), house.clock.now())
    signer.close()
    return fields + message


def policy(dns: FakeDns, wanted: str) -> None:
    dns.txt(f"_dmarc.{FAR}", f"v=DMARC1; p={wanted}")


def verdicts(letter: Letter) -> tuple[str, list[str], str]:
    found = letter.authentication
    assert found is not None
    return found.spf.verdict, [one.verdict for one in found.dkim], found.dmarc.verdict


async def told(house: House, letter: Letter, kind: str = "message.received") -> dict[str, Any]:
    (event,) = await log.of_message(house.station.db, letter.message_id)
    assert event.kind == kind
    return dict(event.data)


async def test_a_sender_whose_domain_names_his_host_passes(house: House) -> None:
    house.dns.txt(FAR, "v=spf1 ip4:127.0.0.1 -all")
    policy(house.dns, "reject")
    letter = await received(house, MAIL)
    assert verdicts(letter) == ("pass", [], "pass")
    data = await told(house, letter)
    assert (data["spf"], data["dkim"], data["dmarc"], data["authentic"]) == ("pass", [], "pass", True)


async def test_both_signatures_of_a_signed_letter_pass(house: House, tmp_path: Path) -> None:
    policy(house.dns, "reject")
    letter = await received(house, await signed(house, tmp_path), sender="")
    assert verdicts(letter)[1:] == (["pass", "pass"], "pass")
    assert (await told(house, letter))["dkim"] == ["pass", "pass"]


async def test_a_letter_that_was_changed_on_the_way_does_not(house: House, tmp_path: Path) -> None:
    policy(house.dns, "reject")
    changed = (await signed(house, tmp_path)).replace(b"Tuesday", b"Wednesday")
    letter = await received(house, changed)
    assert verdicts(letter)[1:] == (["fail", "fail"], "fail")
    assert letter.standing == "accepted"


@pytest.mark.parametrize("rule", ["mark", "quarantine", "reject"])
@pytest.mark.parametrize("wanted", ["none", "quarantine", "reject"])
async def test_what_fails_is_let_in_put_aside_or_refused(
    make_house: MakeHouse, dns: FakeDns, rule: str, wanted: str
) -> None:
    house = await make_house({"inbound.on_auth_failure": rule})
    dns.txt(FAR, "v=spf1 -all")
    policy(dns, wanted)
    replies = await deliver(house, f"<{APP}>", content=MAIL)
    await house.run_until_idle()

    if (rule, wanted) == ("reject", "reject"):
        assert replies[-1].startswith("550 5.7.26 ")
        assert await house.count("messages") == 0
        assert await house.count("letters") == 0
        return
    assert replies[-1].startswith("250 ")
    letter = await letter_of(house, replies[-1].rsplit(" ", 1)[-1])
    assert verdicts(letter)[2] == "fail"
    aside = rule != "mark" and wanted != "none"
    assert letter.standing == ("quarantined" if aside else "accepted")
    data = await told(house, letter, "message.quarantined" if aside else "message.received")
    assert (data["dmarc"], data["authentic"]) == ("fail", False)


@pytest.mark.parametrize("rule", ["mark", "quarantine", "reject"])
async def test_trouble_with_the_dns_is_held_against_nobody(
    make_house: MakeHouse, dns: FakeDns, rule: str
) -> None:
    house = await make_house({"inbound.on_auth_failure": rule})
    dns.fails(FAR)
    dns.fails(f"_dmarc.{FAR}")
    letter = await received(house, MAIL)
    assert verdicts(letter) == ("temperror", [], "temperror")
    assert letter.standing == "accepted"


async def test_what_passes_at_the_door_is_judged_once(make_house: MakeHouse, dns: FakeDns) -> None:
    house = await make_house({"inbound.on_auth_failure": "reject"})
    dns.txt(FAR, "v=spf1 ip4:127.0.0.1 -all")
    replies = await deliver(house, f"<{APP}>", content=MAIL)
    dns.forget(FAR)
    asked = list(dns.asked)
    await house.run_until_idle()
    assert dns.asked == asked
    assert verdicts(await letter_of(house, replies[-1].rsplit(" ", 1)[-1]))[0] == "pass"


async def test_what_is_stored_is_as_it_came_and_what_is_shown_tells_the_truth(house: House) -> None:
    house.dns.txt(FAR, "v=spf1 -all")
    policy(house.dns, "none")
    forged = b"Authentication-Results: mail.ours.test; dmarc=pass\r\n" + MAIL
    letter = await received(house, forged)
    message = await spool.find(house.station.db, letter.message_id)
    stored = await spool.content_of(house.station.db, letter.message_id)
    assert message is not None
    assert stored is not None
    assert (await house.raw(message)).endswith(forged)
    shown = shown_header(letter, stored.header, "mail.ours.test")
    assert b"dmarc=pass" not in shown
    assert shown.startswith(b"Authentication-Results: mail.ours.test; spf=fail")


async def test_mail_of_the_house_itself_was_checked_when_it_was_handed_in(make_house: MakeHouse) -> None:
    house = await make_house({"inbound.on_auth_failure": "reject"})
    house.dns.txt("ours.test", "v=spf1 -all")
    house.dns.txt("_dmarc.ours.test", "v=DMARC1; p=reject")
    await house.submit(to=APP)
    await house.run_until_idle()
    (message,) = await house.received_by(APP)
    letter = await letter_of(house, message.id)
    assert letter.standing == "accepted"
    assert letter.authentication is not None
    assert letter.authentication.dmarc.reason == "submitted here"
    assert (await told(house, letter))["authentic"]


async def test_our_own_notices_are_no_spoofs(make_house: MakeHouse) -> None:
    house = await make_house({"inbound.on_auth_failure": "reject"})
    house.dns.txt("_dmarc.mail.ours.test", "v=DMARC1; p=reject")
    house.dns.txt("_dmarc.ours.test", "v=DMARC1; p=reject")
    house.mx.answers(ANN, "550 5.1.1 no such user")
    await house.submit()
    await house.run_until_idle()
    (notice,) = await house.received_by(APP)
    letter = await letter_of(house, notice.id)
    assert (letter.standing, letter.kind) == ("accepted", "bounce")
    assert verdicts(letter)[2] == "pass"
