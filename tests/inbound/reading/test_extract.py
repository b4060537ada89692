"""A part comes out as it was before it travelled."""

import pytest

from inbound.reading.extract import NoSuchPart, extract_part
from tests.inbound.reading.mails import read, split

MAIL = (
    "Content-Type: multipart/mixed; boundary=m\n\n"
    "--m\nContent-Type: multipart/alternative; boundary=a\n\n"
    "--a\n\nplain\n--a\nContent-Type: text/html\n\nh\n--a--\n"
    "--m\nContent-Type: image/png; name=../a.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n"
    "--m\nContent-Type: message/rfc822\n\nSubject: inner\n\nbody\n"
    "--m--\n"
)


def test_a_part_is_found_by_the_number_that_the_attachment_has() -> None:
    image, message = read(MAIL).attachments
    part = extract_part(*split(MAIL), image.part)
    assert (part.content, part.content_type, part.filename) == (b"\x89PNG\r\n\x1a\n", "image/png", "a.png")
    assert image.size == len(part.content)
    assert extract_part(*split(MAIL), message.part).content == b"Subject: inner\r\n\r\nbody"


def test_a_message_of_one_part_is_its_part_0() -> None:
    assert (
        extract_part(*split("Content-Type: x/y\nContent-Transfer-Encoding: base64\n\nAAEC"), 0).content
        == b"\0\1\2"
    )


@pytest.mark.parametrize("part", [-1, 4, 1000])
def test_a_part_that_is_none_is_said(part: int) -> None:
    with pytest.raises(NoSuchPart):
        extract_part(*split(MAIL), part)
