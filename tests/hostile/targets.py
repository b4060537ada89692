"""The parsers that we wrote, each as one function of octets: what it raises but its own refusals is a fault.

`TARGETS` are run over `tests/corpus/fuzz` and its mutations in `./check`, and
by atheris for as long as one likes (`python -m bench.hostile parsers`).
"""

import contextlib
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from api.app import OPERATIONS
from api.decode import decode_body, decode_query
from api.problems import Problem
from inbound import bounces, complaints
from inbound.authenticate import dmarc, dmarc_record, spf_record
from inbound.authenticate.arc import verify_chain
from inbound.authenticate.dkim import key_names, verify_signatures
from inbound.authenticate.field import without_forged
from inbound.authenticate.public_key import UnusableKey, read_key
from inbound.authenticate.spf_macros import MalformedMacro, parse_explanation
from inbound.classify import classify
from inbound.reading.fallback import header_only
from inbound.reading.hidden import look
from inbound.reading.html_tree import parse as parse_html
from inbound.reading.html_tree import serialise
from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from inbound.reading.plain import html_to_text
from inbound.reading.quoting import separate
from relay.address import NULL_PATH, InvalidAddress, parse_address, parse_path, parse_reverse_path
from relay.config.errors import ConfigError
from relay.config.load import load_config
from relay.delivery.breaks import NotSmtp
from relay.delivery.reply_reader import take_reply
from relay.errors import Refusal
from relay.message.addresses import addresses_of
from relay.message.headers import Header, MalformedHeader
from relay.message.words import decode_words
from relay.replies import SmtpReply
from relay.smtp_server.parameters import read_mail, read_rcpt
from relay.webhooks.retry_after import read_retry_after

ME = parse_address("app@ours.test")
NOW = datetime(2026, 3, 2, tzinfo=UTC)
_LONGEST = 100_000


def paths(octets: bytes) -> None:
    """What the readers of paths let pass can be written, and is read again as the same."""
    text = octets.decode("utf-8", "replace")
    for read in (parse_path, parse_reverse_path, parse_address):
        with contextlib.suppress(InvalidAddress):
            address = read(text, allow_utf8=True)
            written = str(address)
            assert not set("\0\r\n<>") & set(written)
            assert address == NULL_PATH or parse_address(written) == address


def parameters(octets: bytes) -> None:
    for utf8 in (True, False):
        with contextlib.suppress(Refusal):
            read_mail(octets, offers_dsn=utf8)
        with contextlib.suppress(Refusal):
            read_rcpt(octets, smtputf8=utf8, offers_dsn=True)


def letters(octets: bytes) -> None:
    """MIME, DSN, ARF and all that is asked of a letter that was read."""
    header, _, body = octets.partition(b"\r\n\r\n")
    parsed = parse(header + b"\r\n", body)
    parsed.text.encode("utf-8")
    for one in (parsed, header_only(header), Parsed()):
        bounces.read(one)
        bounces.actions_of(one)
        complaints.read(one)
        complaints.message_ids_in(one, ME, b"secret")
        classify(one, reverse_path=NULL_PATH, recipient=ME, in_reply=False)


def headers(octets: bytes) -> None:
    """What is read comes back octet for octet; forged results go."""
    with contextlib.suppress(MalformedHeader):
        header = Header.parse(octets)
        assert bytes(header) == octets
        without_forged(header, "ours.test")
    text = octets.decode("utf-8", "replace")
    with contextlib.suppress(InvalidAddress):
        addresses_of(text)
    decode_words(text)
    dmarc.author_domain(octets)


def signatures(octets: bytes) -> None:
    """DKIM's and ARC's tags, with a key that is there and one that is not."""
    header, _, body = octets.partition(b"\r\n\r\n")
    keys: dict[str, bytes | None] = dict.fromkeys(key_names(header + b"\r\n"))
    keys |= dict.fromkeys(list(keys)[:1], b"v=DKIM1; p=" + body[:200])
    verify_signatures(header + b"\r\n", body, keys, 0)
    verify_chain(header + b"\r\n", body, keys)


def keys(octets: bytes) -> None:
    for algorithm in ("rsa-sha256", "ed25519-sha256"):
        with contextlib.suppress(UnusableKey):
            read_key(octets, algorithm, "far.example", "@far.example")


def spf(octets: bytes) -> None:
    text = octets.decode("latin-1")
    with contextlib.suppress(spf_record.MalformedRecord):
        spf_record.parse_record(text)
    with contextlib.suppress(MalformedMacro):
        parse_explanation(text)


def dmarc_records(octets: bytes) -> None:
    dmarc_record.parse_record(octets.decode("utf-8", "replace"))


def html(octets: bytes) -> None:
    text = octets[:_LONGEST].decode("utf-8", "replace")
    html_to_text(text, _LONGEST)
    look(text)
    assert serialise(parse_html(text)) == text
    separate("", text, None, text)


def quotes(octets: bytes) -> None:
    """Nothing that somebody wrote may get lost: what is new are lines of the text."""
    text, _, parent = octets[:_LONGEST].decode("utf-8", "replace").partition("\x1e")
    separated = separate(text, None, parent)
    lines = {line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")}
    assert {line.strip() for line in separated.extracted_text.split("\n")} <= lines | {""}


def bodies(octets: bytes) -> None:
    """JSON and queries of every operation of the API."""
    for operation in OPERATIONS:
        with contextlib.suppress(Problem):
            if operation.body is not None:
                decode_body(octets, operation.body)
        with contextlib.suppress(Problem):
            if operation.query is not None:
                decode_query(octets, operation.query)


def config(octets: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(octets)
        file.flush()
        with contextlib.suppress(ConfigError):
            load_config(Path(file.name), {})


def replies(octets: bytes) -> None:
    """A far server's words: a reply, or nothing yet, or what a session ends with."""
    buffer = bytearray(octets)
    with contextlib.suppress(NotSmtp):
        while (reply := take_reply(buffer)) is not None:
            if 200 <= reply[0] <= 599:
                for line in SmtpReply.read(*reply).lines():
                    assert not {"\r", "\n"} & set(line)
    read_retry_after(octets, NOW)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(paths, parameters, letters, headers, signatures, keys, spf, dmarc_records, html, quotes),
        *(bodies, config, replies),
    )
}
