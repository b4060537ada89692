"""Log lines hold ids and decisions, and nothing that a stranger could forge or steal."""

import asyncio
import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from relay.telemetry.context import bind_ids, log_ids
from relay.telemetry.logs import TextLines, safe, set_up_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logging into a text, put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logging(stream=stream)
    yield stream
    root.handlers[:], root.level = before, level
    logging.captureWarnings(False)


def test_a_line_tells_when_who_what_and_which_message(stream: io.StringIO) -> None:
    with log_ids(session="ses_1"), log_ids(message="msg_2"):
        logging.getLogger("relay.dispatch.loop").info(
            "claimed", extra={"destination": "example.net", "why": "a b"}
        )
    logging.getLogger("relay.dispatch.loop").debug("not told")

    [line] = stream.getvalue().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO    dispatch   claimed "
        r'destination=example\.net why="a b" session=ses_1 message=msg_2',
        line,
    )


def test_json_lines_carry_the_same(stream: io.StringIO) -> None:
    set_up_logging(format="json", level="debug", stream=stream)
    try:
        raise ValueError("evil\n{}")
    except ValueError:
        with log_ids(message="msg_2"):
            logging.getLogger("posthouse.sweep").exception("broke\r\nforged", extra={"n": 3})

    [line] = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["event"] == r"broke\r\nforged"
    assert (entry["room"], entry["level"], entry["message"], entry["n"]) == ("sweep", "error", "msg_2", "3")
    assert entry["time"].endswith("Z")
    assert entry["traceback"][0].startswith("Traceback")


def test_no_stranger_can_forge_a_line(stream: io.StringIO) -> None:
    hostile = "a\n2026-03-02 ERROR x\r\x1b[31m\x00\x9b\u2028\u202e\udc80"
    try:
        raise RuntimeError(hostile)
    except RuntimeError:
        logging.getLogger("relay.x").exception("helo %s", hostile, extra={"helo": hostile})

    first, *behind = stream.getvalue().splitlines()
    assert r"a\n2026-03-02 ERROR x\r\x1b[31m\x00\x9b\u2028\u202e\udc80" in first
    assert all(line.startswith("    | ") for line in behind)
    stream.getvalue().encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "connect smtp://joe:s3cret@relay.example",
        "key ph_live_s3cret refused",
        "AUTH PLAIN s3cret",
        "Authorization: Bearer s3cret",
    ],
)
def test_what_looks_like_a_secret_is_not_told(text: str) -> None:
    assert "s3cret" not in safe(text)
    assert "***" in safe(text)


def test_libraries_speak_only_when_something_is_wrong(stream: io.StringIO) -> None:
    logging.getLogger("mail.log").info("MAIL FROM secrets")
    logging.getLogger("mail.log").warning("trouble")
    assert stream.getvalue().count("\n") == 1


def test_color_and_journal_are_for_those_who_can_read_them() -> None:
    record = logging.makeLogRecord({"name": "relay.x", "levelno": 40, "levelname": "ERROR", "msg": "no"})
    assert TextLines(color=True).format(record).endswith("\x1b[31mERROR   x          no\x1b[0m")
    assert TextLines(journal=True).format(record) == "<3>ERROR   x          no"


async def test_ids_stay_within_their_task(stream: io.StringIO) -> None:
    async def session(name: str) -> None:
        bind_ids(session=name)
        await asyncio.sleep(0)
        logging.getLogger("relay.smtp").info("hello from %s", name)

    await asyncio.gather(session("ses_1"), session("ses_2"))
    logging.getLogger("relay.smtp").info("nobody")
    ends = [line.split("smtp       ")[1] for line in stream.getvalue().splitlines()]
    assert ends == ["hello from ses_1 session=ses_1", "hello from ses_2 session=ses_2", "nobody"]
