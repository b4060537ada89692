"""Two servers that part messages differently: nothing that we take or send can be parted in two ways.

What arrives at the next server is looked at with the eyes of the most lenient
one: any sequence that some server takes for the end of a message.
"""

import asyncio
import itertools
import re

import pytest

from tests.attacks.submitting import submit
from tests.fakes.api_client import api_client, make_key
from tests.fakes.daemon import APPLICATION, Daemon
from tests.fakes.far_mx import FarMx, Received
from tests.flows.conftest import MakeHouse
from tests.flows.house import FAR, OURS

ENDS = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\n\r", b"\r\0\n", b"\0\r\n", b"\r\n\0", b"\x85", b"\x0b"]
SEQUENCES = [
    before + b"." + after
    for before, after in itertools.product(ENDS, repeat=2)
    if b"\r\n.\r\n" not in before + b"." + after
]
# The end of a message to somebody: a dot between any two line ends, bare or whole, or beside a NUL.
SOMEBODYS_END = re.compile(rb"[\r\n\0]\.[\r\n\0]")
EVIL = (
    f"MAIL FROM:<boss@{OURS}>\r\nRCPT TO:<eve@{FAR}>\r\nDATA\r\n".encode()
    + b"From: boss@ours.test\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\n"
)


def test_there_are_sixty_sequences() -> None:
    assert len(set(SEQUENCES)) >= 60


def assert_one_message(received: Received) -> None:
    """Even the most lenient reader finds one end, which is the last line."""
    wire = received.wire + b".\r\n"
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", wire)
    assert [found.start() for found in SOMEBODYS_END.finditer(wire)] == [len(wire) - 4]


@pytest.mark.parametrize("place", ["body", "header", "first", "part"])
async def test_what_we_take_for_one_message_leaves_as_one(make_house: MakeHouse, place: str) -> None:
    house = await make_house(
        {"policy.default_daily_cap": 10_000, "delivery.max_connections_per_destination": 2}
    )
    taken = 0
    for number, sequence in enumerate(SEQUENCES):
        head = f"From: {APPLICATION}\r\nMessage-ID: <{number}@app.test>\r\n".encode()
        content = {
            "body": head + b"\r\none" + sequence + EVIL,
            "header": head + b"Subject: one" + sequence + EVIL,
            "first": head + b"\r\n" + sequence + EVIL,
            "part": head
            + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none"
            + sequence
            + EVIL,
        }[place]
        reply = await submit(house, content)
        assert reply[:3] in ("250", "550", "554"), (sequence, reply)
        taken += reply.startswith("250 ")
    await house.run_until_idle()
    assert len(house.mx.taken) == taken
    for received in house.mx.taken:
        assert (received.recipients, received.reverse_path) == ([f"ann@{FAR}"], APPLICATION)
        assert_one_message(received)
    assert house.mx.says("MAIL") == [line for line in house.mx.says("MAIL") if f"<{APPLICATION}>" in line]
    assert taken >= (0 if place == "header" else 10)


async def test_what_came_in_and_is_answered_or_reported_leaves_as_one(daemon: Daemon, mx: FarMx) -> None:
    """The API composes what it is given: texts, names and files with every sequence in them."""
    key = await make_key(daemon)
    await daemon.start()
    nasty = b"".join(b"line" + sequence + EVIL for sequence in SEQUENCES).decode("latin-1").replace("\0", "")
    letters = [
        {"text": nasty},
        {"html": f"<pre>{nasty}</pre>"},
        {"text": ".", "html": "."},
        {"text": "\n.\n"},
        {"text": "a\r.\rb\n.\r\n.\r\r\n"},
    ]
    async with api_client(daemon, key) as api:
        for letter in letters:
            await api.post(
                f"/v1/inboxes/{APPLICATION}/messages", {"to": f"ann@{FAR}", "subject": "x", **letter}
            )
    async with asyncio.timeout(60):
        arrived = await mx.messages_arrive(len(letters))
    for received in arrived:
        assert received.recipients == [f"ann@{FAR}"]
        assert_one_message(received)
