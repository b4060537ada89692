"""Whatever comes is taken, kept as it came and read as far as it can be; nothing else suffers for it."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from inbound.letters.letter import Letter
from inbound.reading.bench import ReadingBench, ReadingFailed
from inbound.reading.tasks import Parse, Task
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.flows.house import OURS, House, configuration, open_house
from tests.flows.letters import APP, letter_of, post, received, text_of, written

KILLER = b"Subject: killer\r\n\r\nkills\r\n"


def nested(depth: int) -> bytes:
    """Multiparts within multiparts."""
    head = b"MIME-Version: 1.0\r\n"
    for level in range(depth):
        head += f'Content-Type: multipart/mixed; boundary="{level}"\r\n\r\n--{level}\r\n'.encode()
    return head + b"Content-Type: text/plain\r\n\r\nat the bottom\r\n"


def parts(count: int) -> bytes:
    return (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * count
        + b"--b--\r\n"
    )


BODY = b"\r\nhello\r\n"
HOSTILE = {
    "quote": b'From: "\r\n' + BODY,
    "bracket": b"From: a@[\r\n" + BODY,
    "open id": b"Message-ID: <\r\n" + BODY,
    "comments": b"To: " + b"(" * 990 + b"\r\n" + BODY,
    "encoded word": b"Subject: =?utf-8?b?////?=\r\n" + BODY,
    "extended parameter": b"Content-Type: text/plain; charset*=x'%\r\n" + BODY,
    "many fields": b"X-A: b\r\n" * 20_000 + BODY,
    "long line of recipients": b"To: " + b",\r\n ".join([b"a@b.example"] * 10_000) + b"\r\n" + BODY,
    "deep": nested(2000),
    "wide": parts(20_000),
    "no end": b'Content-Type: multipart/mixed; boundary="b"\r\n' + BODY,
    "unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\nhello \xff\r\n",
    "undefined charset": b"Content-Type: text/plain; charset=undefined\r\n\r\nhello\r\n",
    "odd encoding": b"Content-Transfer-Encoding: uuencode\r\n\r\nhello\r\n",
    "broken base64": b"Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n",
    "no header": b"\r\nhello\r\n",
    "no body": b"Subject: hello\r\n\r\n",
    "nothing": b"\r\n",
    "8-bit everywhere": b"From: \xfc@\xff.example\r\nSubject: \xff\xfe\r\n\xfc: \xff\r\n\r\n\xff hello\r\n",
    "surrogates": b"Subject: =?utf-8?q?=ED=A0=80?=\r\nMessage-ID: <\xed\xa0\x80@x>\r\n\r\n\xed\xa0\x80\r\n",
    "NUL in disguise": b"Subject: =?utf-8?q?a=00b?=\r\nMIME-Version: 1.0\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=00b\r\n",
    "no lines of a header": b"this is no header\r\nnor is this\r\n" + BODY,
    "dates": b"Date: Mon, 99 Foo 99999999999 99:99:99 +9999\r\n" + BODY,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_is_a_letter_all_the_same(house: House, name: str) -> None:
    found = await received(house, HOSTILE[name])
    assert found.standing == "accepted"
    assert await house.count("arrivals") == 0
    (message,) = await house.received_by(APP)
    assert (await house.raw(message)).endswith(HOSTILE[name])


async def test_the_limits_say_that_they_were_reached(house: House) -> None:
    assert (await received(house, HOSTILE["wide"])).flags
    assert (await received(house, HOSTILE["deep"])).flags
    assert (await received(house, HOSTILE["unknown charset"])).flags


class Deadly:
    """A bench at which one message kills the child, as often as it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int = 1000) -> None:
        self.times, self.asked = times, 0
        sit_down = ReadingBench.ask

        async def ask(bench: ReadingBench, task: Task) -> Any:
            if isinstance(task, Parse) and task.header.endswith(b"Subject: killer\r\n"):
                self.asked += 1
                if self.asked <= self.times:
                    raise ReadingFailed("crash")
            return await sit_down(bench, task)

        monkeypatch.setattr(ReadingBench, "ask", ask)


async def read_all(house: House) -> None:
    """What the reader does in a while."""
    for _ in range(6):
        await house.run_until_idle()


async def test_what_kills_its_reader_three_times_is_known_by_its_header_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = Deadly(monkeypatch)
    before = await post(house, written(subject="before"))
    killer = await post(house, KILLER)
    after = await post(house, written(subject="after"))
    await read_all(house)

    assert deadly.asked == 3
    letter = await letter_of(house, killer)
    assert (letter.flags, letter.subject) == (("unreadable",), "killer")
    assert (await text_of(house, letter)).text == ""
    for other in (before, after):
        assert (await letter_of(house, other)).flags == ()


async def test_a_child_that_died_of_something_else_is_no_reason_to_give_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    Deadly(monkeypatch, times=2)
    killer = await post(house, KILLER)
    await read_all(house)
    letter = await letter_of(house, killer)
    assert letter.flags == ()
    assert (await text_of(house, letter)).text.strip() == "kills"


class Killed(BaseException):
    """The process ends here."""


async def letters_of(house: House, ids: list[str]) -> list[Letter]:
    return [await letter_of(house, id_) for id_ in ids]


async def test_what_ends_the_process_is_read_again_after_the_restart_and_takes_no_others_with_it(
    data_dir: Path, clock: FakeClock, dns: FakeDns, mx: FarMx, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: list[str] = []
    sit_down = ReadingBench.ask

    async def ask(bench: ReadingBench, task: Task) -> Any:
        if isinstance(task, Parse) and task.header.endswith(b"Subject: killer\r\n"):
            raise Killed
        return await sit_down(bench, task)

    monkeypatch.setattr(ReadingBench, "ask", ask)
    for life in range(5):
        async with AsyncExitStack() as stack:
            house = await open_house(stack, configuration(data_dir, dns, mx), clock, dns, mx)
            if not life:
                await house.domain(OURS)
                await house.mailbox(APP)
                contents = [written(subject="one"), KILLER, written(subject="two"), written(subject="three")]
                ids = [await post(house, content) for content in contents]
            if life < 3:
                with pytest.raises(Killed):
                    await read_all(house)
            else:
                await read_all(house)

    async with AsyncExitStack() as stack:
        house = await open_house(stack, configuration(data_dir, dns, mx), clock, dns, mx)
        letters = await letters_of(house, ids)
        assert [letter.flags for letter in letters] == [(), ("unreadable",), (), ()]
        assert await house.count("letters") == 4
        assert await house.count("arrivals") == 0
