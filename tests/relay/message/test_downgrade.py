"""A seven-bit copy decodes to what was sent, or there is none."""

from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.message.downgrade import MAX_DEPTH, MAX_PARTS, CannotConvert, to_seven_bit
from relay.message.headers import Header
from relay.message.mime import split_multipart

_TOP = b"From: ann@example.com\r\nMIME-Version: 1.0\r\n"
_TEXT = "Grüße aus Łódź – 🚀 \t\r\n.\r\n-- \r\nend= \r\n".encode()


def _leaves(header: bytes, body: bytes) -> list[tuple[str, bytes]]:
    """Type and decoded content of every leaf, as the stdlib reads them."""
    whole: Message = message_from_bytes(header + b"\r\n" + body)
    found = []
    for part in whole.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append((part.get_content_type(), content))
    return found


def _multipart(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"b1") -> tuple[bytes, bytes]:
    header = _TOP + b'Content-Type: multipart/%s; boundary="%s"\r\n' % (kind, boundary)
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--\r\n" % boundary
    return header, body


def test_ascii_comes_back_as_it_is() -> None:
    header, body = b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n", b"plain\r\n"

    assert to_seven_bit(header, body) == (header, body)


def test_text_becomes_quoted_printable() -> None:
    header = (
        _TOP + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8BIT\r\nX-Last: 1\r\n"
    )
    new_header, new_body = to_seven_bit(header, _TEXT)

    assert new_header == header.replace(b"8BIT", b"quoted-printable")
    assert new_body.isascii()
    assert max(map(len, new_body.split(b"\r\n"))) <= 76
    assert _leaves(new_header, new_body) == [("text/plain", _TEXT)]


def test_other_leaves_become_base64() -> None:
    header, octets = _TOP + b"Content-Type: application/x-thing\r\n", bytes(range(128, 256)) * 10 + b"\r\n"
    new_header, new_body = to_seven_bit(header, octets)

    assert new_header == header + b"Content-Transfer-Encoding: base64\r\n"
    assert _leaves(new_header, new_body) == [("application/x-thing", octets)]


@pytest.mark.parametrize(("body", "charset"), [("ä\r\n".encode(), "utf-8"), (b"\xe4\r\n", "unknown-8bit")])
def test_mail_without_mime_becomes_mime(body: bytes, charset: str) -> None:
    new_header, new_body = to_seven_bit(b"From: ann@example.com\r\n", body)
    header = Header.parse(new_header)

    assert header.first("mime-version") == "1.0"
    assert header.first("content-type") == f"text/plain; charset={charset}"
    assert _leaves(new_header, new_body) == [("text/plain", body)]


def test_only_parts_that_need_it_change() -> None:
    plain = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n"
    attached = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + _TEXT
    header, body = _multipart(plain, html, attached)
    header += b"Content-Transfer-Encoding: 8bit\r\n"
    new_header, new_body = to_seven_bit(header, b"preamble \xe4\r\n" + body + b"epilogue")

    assert new_header == header.replace(b"8bit", b"7bit")
    assert new_body.isascii()
    assert plain in new_body
    assert attached in new_body
    assert new_body.startswith(b"preamble ?\r\n--b1\r\n")
    assert _leaves(new_header, new_body) == _leaves(header, body)


def test_nested_multiparts_messages_and_digests_are_walked() -> None:
    inner_header, inner_body = _multipart(
        b"\r\n" + _TEXT, b"Content-Type: a/b\r\n\r\n\xff\xfe", boundary=b"b12"
    )
    message = inner_header + b"\r\n" + inner_body
    digest_header, digest_body = _multipart(b"\r\n" + message, kind=b"digest", boundary=b"dig (x)")
    digest = digest_header.partition(b"1.0\r\n")[2] + b"\r\n" + digest_body
    attached = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + message
    header, body = _multipart(attached, digest)
    new_header, new_body = to_seven_bit(header, body)

    assert new_body.isascii()
    assert b"Content-Transfer-Encoding: 8bit" not in new_body
    assert _leaves(new_header, new_body) == _leaves(header, body)
    assert len(_leaves(header, body)) == 4


def test_signed_parts_that_are_ascii_may_stand_beside_others() -> None:
    signed = b"Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nx\r\n--s--\r\n"
    header, body = _multipart(signed, b"\r\n" + _TEXT)
    _, new_body = to_seven_bit(header, body)

    assert signed in new_body


def test_raw_octets_in_the_header_of_the_message_stay() -> None:
    header = b"From: Jos\xe9 <ann@example.com>\r\nSubject: \xc3\xa4\r\n"

    assert to_seven_bit(header, b"plain\r\n") == (header, b"plain\r\n")
    new_header, new_body = to_seven_bit(header, _TEXT)
    assert new_header.startswith(header)
    assert new_body.isascii()
    assert _leaves(new_header[len(header) :], new_body) == [("text/plain", _TEXT)]


def test_raw_octets_in_the_headers_of_parts_and_attached_messages_stay() -> None:
    names = (
        b'Content-Type: text/plain; name="\xfc.txt"\r\nContent-Disposition: attachment; filename=\xfc.txt\r\n'
    )
    attached = b"Content-Type: message/rfc822\r\n\r\nSubject: \xe4\r\n\r\n" + _TEXT
    header, body = _multipart(names + b"\r\n" + _TEXT, names + b"\r\nplain\r\n", attached)
    new_header, new_body = to_seven_bit(header, body)

    encoded = b"Content-Transfer-Encoding: quoted-printable\r\n"
    assert names + encoded + b"\r\n" in new_body
    assert names + b"\r\nplain\r\n" in new_body
    assert b"Subject: \xe4\r\n" in new_body
    assert new_body.replace(names, b"").replace(b"Subject: \xe4", b"").isascii()
    assert _leaves(new_header, new_body) == _leaves(header, body)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (b"Content-Type: multipart/signed; boundary=b\r\n", b"--b\r\n\r\n\xe4\r\n--b--\r\n"),
        (b"Content-Type: multipart/encrypted; boundary=b\r\n", b"--b\r\n\r\n\xe4\r\n--b--\r\n"),
        (b"Content-Type: multipart/signed; boundary=b\r\n", b"--b\r\nX: \xe4\r\n\r\nx\r\n--b--\r\n"),
        (b"Content-Type: message/delivery-status\r\n", b"Action: \xe4\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\nno field\r\n\r\n\xe4\r\n--b--\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n", b"\xe4"),
        (b"Content-Type: multipart/mixed\r\n", b"\xe4\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"\xe4\r\n"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n\r\nx\r\n--b--\r\n\xe4\r\n"),
        (b"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n", b"\xe4\r\n"),
        (b'Content-Type: multipart/mixed; boundary="a\r\n', b"\xe4\r\n"),
        (b'Content-Type: multipart/mixed; boundary=""\r\n', b"\xe4\r\n"),
        (b"Content-Type: text/plain\r\nContent-Type: text/html\r\n", b"\xe4\r\n"),
        (b"Content-Transfer-Encoding: 8bit\r\ncontent-transfer-encoding: 8bit\r\n", b"\xe4\r\n"),
        (b"Content-Transfer-Encoding: base64\r\n", b"\xe4\r\n"),
        (b"Content-Transfer-Encoding: x-uuencode\r\n", b"\xe4\r\n"),
    ],
)
def test_what_cannot_be_converted_is_left_alone(fields: bytes, body: bytes) -> None:
    with pytest.raises(CannotConvert):
        to_seven_bit(_TOP + fields, body)


def test_stray_octets_in_quoted_printable_are_encoded_too() -> None:
    header = _TOP + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: Quoted-Printable\r\n"
    new_header, new_body = to_seven_bit(header, b"a=C3=A4 \xe4 long=\r\n line\r\n")

    assert _leaves(new_header, new_body) == [("text/plain", b"a\xc3\xa4 \xe4 long line\r\n")]


def test_depth_and_number_of_parts_have_bounds() -> None:
    deep = b"\xe4"
    for depth in range(MAX_DEPTH + 1):
        deep = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n" % (depth, depth, deep)
    fields, _, body = deep.partition(b"\r\n\r\n")
    with pytest.raises(CannotConvert, match="parts"):
        to_seven_bit(_TOP + fields + b"\r\n", body)
    with pytest.raises(CannotConvert, match="parts"):
        to_seven_bit(*_multipart(*[b"\r\n\xe4"] * (MAX_PARTS + 1)))


def test_a_soft_line_break_makes_no_delimiter() -> None:
    for shift in range(60, 80):
        line = b"x" * shift + b"--b1"
        header, body = _multipart(
            b"Content-Type: text/plain\r\n\r\n\xe4\r\n" + line + b"\r\n" + line + b"--\r\n"
        )
        new_header, new_body = to_seven_bit(header, body)

        assert new_body.isascii()
        assert _leaves(new_header, new_body) == _leaves(header, body)


_OCTETS = st.lists(
    st.one_of(
        st.sampled_from(
            [b"\r\n", b" ", b"\t", b".", b"=", b"--", b"\xc3\xa4", b"--b1", b"--b1--", b"a" * 80]
        ),
        st.binary(max_size=10).map(lambda octets: octets.translate(None, b"\r\n\0")),
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=300)
@given(st.sampled_from([b"text/plain", b"text/html; charset=x", b"image/png", b"junk"]), _OCTETS)
def test_any_leaf_decodes_to_what_it_was(content_type: bytes, octets: bytes) -> None:
    header = _TOP + b"Content-Type: " + content_type + b"\r\n"
    new_header, new_body = to_seven_bit(header, octets)

    assert new_body.isascii()
    assert [content for _, content in _leaves(new_header, new_body)] == [octets]


@settings(max_examples=300)
@given(_OCTETS)
def test_the_pieces_of_a_multipart_are_the_whole(body: bytes) -> None:
    pieces = split_multipart(body, "b1")

    parts = b"".join(delimiter + part for delimiter, part in pieces.parts)
    assert pieces.preamble + parts + pieces.epilogue == body
