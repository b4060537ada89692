"""What may have to do with one another is read one after another, everything else side by side."""

from typing import Any

from inbound.arrivals import Arrival
from inbound.authenticate.results import ArcResult, Authentication, DmarcResult, SpfResult
from inbound.opening import Examined
from inbound.reading.parsed import Parsed
from inbound.waves import waves
from relay.address import NULL_PATH, parse_address
from relay.spool.records import Message

INDEX = "AdpVxYXCM7n6TmKfR5KZ0n4Y6bFhSQ=="


def mail(name: str, mailbox_id: str = "inb_1", **marks: Any) -> Examined:
    """A letter that is called `name`."""
    message = Message(
        id=name,
        tenant_id="ten_1",
        mailbox_id=mailbox_id,
        direction="in",
        source="mx",
        reverse_path=NULL_PATH,
        header_from="",
        subject="",
        message_id=name,
        size=0,
        body_size=0,
        created_at=0,
    )
    return Examined(
        Arrival(name, "ten_1", mailbox_id, parse_address("a@ours.test")),
        message,
        Parsed(**{"message_id": f"<{name}>", **marks}),
        Authentication(SpfResult("none"), (), DmarcResult("none"), ArcResult(), ""),
    )


def names(*examined: Examined) -> list[list[str]]:
    return [[each.message.id for each in wave] for wave in waves(examined)]


def test_strangers_to_one_another_are_one_wave() -> None:
    assert names(mail("a"), mail("b", in_reply_to=("<x>",)), mail("c", references=("<y>",))) == [
        ["a", "b", "c"]
    ]


def test_an_answer_waits_for_its_question() -> None:
    assert names(mail("a"), mail("b", in_reply_to=("<a>",))) == [["a"], ["b"]]
    assert names(mail("a"), mail("b", references=("<x>", "<a>"))) == [["a"], ["b"]]


def test_a_question_waits_for_the_answer_that_was_faster() -> None:
    assert names(mail("b", in_reply_to=("<a>",)), mail("a")) == [["b"], ["a"]]


def test_two_of_one_name_or_of_one_outlook_conversation_wait_for_each_other() -> None:
    assert names(mail("a"), mail("b", message_id="<a>")) == [["a"], ["b"]]
    assert names(mail("a", thread_index=INDEX), mail("b", thread_index=INDEX)) == [["a"], ["b"]]


def test_a_mailbox_keeps_its_order_and_holds_up_no_other() -> None:
    found = names(mail("a"), mail("b", in_reply_to=("<a>",)), mail("c"), mail("d", "inb_2"), mail("e"))
    assert found == [["a", "d"], ["b", "c", "e"]]


def test_letters_of_two_mailboxes_have_nothing_to_do_with_one_another() -> None:
    assert names(mail("a"), mail("b", "inb_2", in_reply_to=("<a>",))) == [["a", "b"]]


def test_letters_without_a_name_wait_for_nobody() -> None:
    assert names(mail("a", message_id=""), mail("b", message_id="")) == [["a", "b"]]
