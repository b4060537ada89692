"""Two hundred made-up messages are read by others as they were meant, and their signatures verified.

Python's email package and mailparser, nodemailer's, take them apart; OpenDKIM
and mailauth judge what our signer adds.
"""

import asyncio
import email
import email.header
import email.policy
import email.utils
import hashlib
import json
import re
import shutil
import subprocess
from email.message import EmailMessage, MIMEPart
from pathlib import Path
from typing import Any

import pytest

from relay.clock import SystemClock
from relay.message.canonical import RelaxedBodyHash
from relay.message.compose import compose
from relay.message.composition import ComposedAttachment, Composition
from relay.message.headers import Header
from relay.message.person import Person
from relay.signing.keys import KeyRing
from relay.signing.signer import Signer
from tests.peers.compositions import NESTED, Maker
from tests.peers.test_dkim_judges import needs_mailauth, needs_opendkim, opendkim_verdicts

MESSAGES = 200
_READER = Path(__file__).with_name("read_with_mailparser.js")
_JUDGE = Path(__file__).with_name("dkim_judge.js")
_BOTH_PASS = {"rsa-sha256": "pass", "ed25519-sha256": "pass"}


def _has_mailparser() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(["node", "-e", "require.resolve('mailparser')"], capture_output=True, check=False)
    return asked.returncode == 0


needs_mailparser = pytest.mark.skipif(
    not _has_mailparser(), reason="mailparser (npm) is not installed, or NODE_PATH does not name it"
)


@pytest.fixture(scope="module")
def said() -> dict[str, Composition]:
    """What each file says."""
    maker = Maker(2026)
    return {f"good{number:03}.eml": maker.one() for number in range(MESSAGES)}


@pytest.fixture(scope="module")
def directory(said: dict[str, Composition], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("composed")
    asyncio.run(_write(said, made))
    return made


async def _write(said: dict[str, Composition], directory: Path) -> None:
    ring, now = KeyRing(directory / "dkim_keys"), SystemClock().now()
    records = {key.dns_name: key.dns_record for key in ring.generate("example.com", now)}
    (directory / "keys.json").write_text(json.dumps(records))
    (directory / "keys.txt").write_text("".join(f"{name} {record}\n" for name, record in records.items()))
    signer = Signer(ring)
    for name, composition in said.items():
        header, body = compose(composition)
        body_hash = RelaxedBodyHash()
        body_hash.update(body)
        signatures = await signer.sign("example.com", Header.parse(header), body_hash.digest(), now)
        (directory / name).write_bytes(signatures + header + b"\r\n" + body)
    signer.close()


def test_there_is_one_of_every_kind(said: dict[str, Composition]) -> None:
    whole = list(said.values())
    assert any(sum(map(len, each.references)) > 5000 for each in whole)
    assert any(
        len(value) > 5000 for each in whole for name, value in each.headers if name == "List-Unsubscribe"
    )
    assert any("xn--" in person.address for each in whole for person in each.to)
    assert any("🐝" in each.subject for each in whole)
    assert any(file.content == NESTED for each in whole for file in each.attachments)
    assert any(file.content_id and each.html for each in whole for file in each.attachments)


def test_python_reads_what_was_meant(said: dict[str, Composition], directory: Path) -> None:
    for name, composition in said.items():
        octets = (directory / name).read_bytes()
        assert all(len(line) <= 998 for line in octets.split(b"\r\n")), name
        message = email.message_from_bytes(octets, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert _as_python_reads(message) == _meant(composition), name


@needs_mailparser
def test_mailparser_reads_what_was_meant(said: dict[str, Composition], directory: Path) -> None:
    read = json.loads(subprocess.run(["node", _READER, directory], capture_output=True, check=True).stdout)
    assert set(read) == set(said)
    for name, composition in said.items():
        assert _as_mailparser_reads(read[name]) == _without_empty(_meant(composition)), name


@needs_opendkim
def test_opendkim_verifies_all_of_them(directory: Path) -> None:
    verdicts = dict(opendkim_verdicts(directory))
    assert len(verdicts) == MESSAGES
    assert {name: verdict for name, verdict in verdicts.items() if verdict != _BOTH_PASS} == {}


@needs_mailauth
def test_mailauth_verifies_all_of_them(directory: Path) -> None:
    judged = subprocess.run(["node", _JUDGE, directory], capture_output=True, check=True, text=True)
    verdicts = json.loads(judged.stdout)
    assert len(verdicts) == MESSAGES
    assert {name: verdict for name, verdict in verdicts.items() if verdict != _BOTH_PASS} == {}


def _meant(composition: Composition) -> dict[str, Any]:
    return {
        "from": _people((composition.sender,)),
        "to": _people(composition.to),
        "cc": _people(composition.cc),
        "reply_to": _people(composition.reply_to),
        "subject": _words(composition.subject),
        "text": _text(composition.text if composition.text is not None or composition.html else ""),
        "html": _text(composition.html),
        "references": list(composition.references),
        "headers": {name.lower(): _words(value) for name, value in composition.headers},
        "attachments": sorted(map(_file, composition.attachments), key=str),
    }


def _people(people: tuple[Person, ...]) -> list[list[str]]:
    return [[_words(person.name), person.address] for person in people]


def _words(text: str) -> str:
    """Readers may take any white space for a blank, and none at the ends."""
    return " ".join(text.split())


def _text(text: str | None) -> str | None:
    """Line ends are the reader's, and the last one is everybody's."""
    return None if text is None else text.replace("\r\n", "\n").rstrip("\n")


def _file(file: ComposedAttachment) -> dict[str, Any]:
    return _told(file.filename, file.content_type, file.content, file.disposition, file.content_id)


def _told(
    filename: str | None, content_type: str, content: bytes, disposition: str | None, content_id: str | None
) -> dict[str, Any]:
    return {
        "filename": filename,
        "content_type": content_type.partition(";")[0],
        "disposition": disposition,
        "content_id": content_id and content_id.strip("<>"),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _as_python_reads(message: EmailMessage) -> dict[str, Any]:
    texts = {part.get_content_type(): part for part in _leaves(message) if part.get_filename() is None}
    files = [part for part in _leaves(message) if part.get_filename() is not None]
    own = {"list-unsubscribe", "list-unsubscribe-post", "list-id", "x-campaign", "x-long", "x-unbroken"}
    return {
        "from": _addresses(message, "from"),
        "to": _addresses(message, "to"),
        "cc": _addresses(message, "cc"),
        "reply_to": _addresses(message, "reply-to"),
        "subject": _words(str(message["subject"] or "")),
        "text": _text(_content(texts.get("text/plain"))),
        "html": _text(_content(texts.get("text/html"))),
        "references": str(message["references"] or "").split(),
        "headers": {
            name.lower(): _words(str(value))
            for name, value in message.items()
            if name.lower() in own | {"feedback-id"}
        },
        "attachments": sorted(map(_python_file, files), key=str),
    }


def _leaves(message: MIMEPart) -> list[MIMEPart]:
    """The parts that hold no others; a message within is one."""
    if message.get_content_maintype() != "multipart":
        return [message]
    return [leaf for part in message.iter_parts() for leaf in _leaves(part)]


def _content(part: MIMEPart | None) -> str | None:
    return None if part is None else str(part.get_content())


def _addresses(message: EmailMessage, name: str) -> list[list[str]]:
    """By the older of its parsers: the newer one puts blanks between the encoded-words of a long name."""
    raw = [str(value) for field, value in message.raw_items() if field.lower() == name]
    unfolded = [value.replace("\r\n", "").replace("\n", "") for value in raw]
    return [[_words(_decoded(who)), at] for who, at in email.utils.getaddresses(unfolded) if at]


def _python_file(part: MIMEPart) -> dict[str, Any]:
    if part.get_content_type() == "message/rfc822":
        content = part.get_payload(0).as_bytes(policy=email.policy.SMTP)  # type: ignore[union-attr]
    else:
        content = part.get_payload(decode=True)
    return _told(
        part.get_filename(),
        part.get_content_type(),
        content,
        part.get_content_disposition(),
        part["content-id"],
    )


def _as_mailparser_reads(read: dict[str, Any]) -> dict[str, Any]:
    own = {"list-unsubscribe", "list-unsubscribe-post", "list-id", "x-campaign", "x-long", "x-unbroken"}
    headers = {
        name: _words(_decoded(value))
        for name, value in read["headers"].items()
        if name in own | {"feedback-id"}
    }
    people = {
        name: [[_words(who), at] for who, at in read[name]] for name in ("from", "to", "cc", "reply_to")
    }
    return {
        **people,
        "subject": _words(read["subject"]),
        "text": _text(read["text"]) or None,
        "html": _text(read["html"]) or None,
        "references": read["references"],
        "headers": headers,
        "attachments": sorted(read["attachments"], key=str),
    }


def _without_empty(meant: dict[str, Any]) -> dict[str, Any]:
    """It knows no empty texts."""
    return {**meant, "text": meant["text"] or None, "html": meant["html"] or None}


def _decoded(value: str) -> str:
    """It leaves encoded-words of fields that it does not know to the caller."""
    return str(email.header.make_header(email.header.decode_header(re.sub(r"\s+", " ", value))))
