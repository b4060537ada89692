"""AUTH PLAIN and LOGIN: the right password opens, everything else ends in the same answer."""

import asyncio
import base64
import logging
import ssl
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from relay.errors import StoreUnavailable
from relay.smtp_server import AuthLimits, SmtpListener, SmtpSession, TooManyFailures
from tests.fakes.clock import FakeClock
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.conftest import Connect, StartListener
from tests.relay.smtp_server.recording_door import RecordingDoor

NAME, PASSWORD = "ann@example.test", "right"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def plain(login: str = NAME, password: str = PASSWORD, authzid: str = "") -> str:
    return b64(f"{authzid}\0{login}\0{password}")


def always(session: SmtpSession) -> bool:
    return True


@pytest.fixture
async def client(start: StartListener, connect: Connect) -> Client:
    """Of a listener that offers AUTH without TLS and requires it; EHLO was said."""
    client = await connect(await start(offers_auth=always, requires_auth=always))
    await client.hello()
    return client


async def test_auth_is_offered(client: Client) -> None:
    assert (await client.hello()).endswith("\n250 AUTH PLAIN LOGIN")


async def test_where_auth_is_never_offered_it_is_no_command(
    start: StartListener, connect: Connect, server_tls: ssl.SSLContext
) -> None:
    client = await connect(await start(tls_context=server_tls))
    assert "AUTH" not in await client.hello()
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("502 5.5.1")
    assert (await client.say("AUTH LOGIN")).startswith("502 5.5.1")
    assert (await client.say("MAIL FROM:<ann@example.test>")).startswith("250")


@pytest.mark.parametrize("before", [[], ["HELO x"], ["EHLO x", "MAIL FROM:<a@b.test>"]])
async def test_auth_has_its_place(before: list[str], start: StartListener, connect: Connect) -> None:
    client = await connect(await start(offers_auth=always))
    for line in before:
        assert (await client.say(line)).startswith("2")
    assert (await client.say("AUTH PLAIN")).startswith("503 5.5.1")


# Lines of the client; the answers before the last; the last.
EXCHANGES: list[tuple[list[str], list[str], str]] = [
    ([f"AUTH PLAIN {plain()}"], [], "235 2.7.0"),
    ([f"auth plain {plain()}"], [], "235 2.7.0"),
    (["AUTH PLAIN", plain()], ["334"], "235 2.7.0"),
    ([f"AUTH PLAIN {plain(authzid=NAME)}"], [], "235 2.7.0"),
    (
        ["AUTH LOGIN", b64(NAME), b64(PASSWORD)],
        ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"],
        "235 2.7.0",
    ),
    ([f"AUTH login {b64(NAME)}", b64(PASSWORD)], ["334 UGFzc3dvcmQ6"], "235 2.7.0"),
    ([f"AUTH PLAIN {plain(password='wrong')}"], [], "535 5.7.8"),
    ([f"AUTH PLAIN {plain(login='eve@example.test')}"], [], "535 5.7.8"),
    ([f"AUTH PLAIN {plain(authzid='eve@example.test')}"], [], "535 5.7.8"),
    ([f"AUTH PLAIN {plain('', '')}"], [], "535 5.7.8"),
    (["AUTH LOGIN =", b64(PASSWORD)], ["334 UGFzc3dvcmQ6"], "535 5.7.8"),
    (["AUTH PLAIN =", ""], [], "501 5.5.2"),
    (["AUTH PLAIN not-base64!"], [], "501 5.5.2"),
    (["AUTH PLAIN YWJj"], [], "501 5.5.2"),
    (["AUTH PLAIN /w=="], [], "501 5.5.2"),
    ([f"AUTH PLAIN {b64('a')[:-1]}"], [], "501 5.5.2"),
    (["AUTH PLAIN", "*"], ["334"], "501 5.7.0"),
    (["AUTH LOGIN", "*"], ["334 VXNlcm5hbWU6"], "501 5.7.0"),
    (["AUTH LOGIN", b64(NAME), "*"], ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"], "501 5.7.0"),
    (["AUTH LOGIN", "\x00"], ["334 VXNlcm5hbWU6"], "501 5.5.2"),
    (["AUTH"], [], "501 5.5.4"),
    (["AUTH PLAIN a b"], [], "501 5.5.4"),
    (["AUTH CRAM-MD5"], [], "504 5.5.4"),
    ([f"AUTH PLAIN {plain()}", f"AUTH PLAIN {plain()}"], ["235 2.7.0"], "503 5.5.1"),
]


@pytest.mark.parametrize(("lines", "before", "answer"), EXCHANGES)
async def test_exchanges(
    lines: list[str], before: list[str], answer: str, client: Client, door: RecordingDoor
) -> None:
    replies = [await client.say(line) for line in lines[: len(before) + 1]]
    for reply, expected in zip(replies, [*before, answer], strict=True):
        assert reply.startswith(expected)
    opened = any(reply.startswith("235") for reply in replies)
    assert door.sessions[0].login == (NAME if opened else None)
    assert door.sessions[0].credential == (f"credential of {NAME}" if opened else None)
    assert (await client.say("MAIL FROM:<a@b.test>"))[:9] == ("250 2.1.0" if opened else "530 5.7.0")


async def test_a_wrong_authzid_takes_the_same_way(client: Client, door: RecordingDoor) -> None:
    answers = {
        await client.say(f"AUTH PLAIN {plain(password='wrong')}"),
        await client.say(f"AUTH PLAIN {plain(login='nobody@example.test')}"),
        await client.say(f"AUTH PLAIN {plain(authzid='eve@example.test')}"),
    }
    assert answers == {"535 5.7.8 Authentication credentials invalid"}
    assert len(door.logins) == 3


async def test_responses_may_be_as_long_as_rfc_4954_allows(client: Client, door: RecordingDoor) -> None:
    long = "p" * 9000
    door.passwords[NAME] = long
    assert (await client.say(f"AUTH PLAIN {plain(password=long)}")).startswith("235")


async def test_longer_ones_end_the_session(client: Client) -> None:
    client.send(b"AUTH PLAIN " + b"x" * 13000)
    assert (await client.hear()).startswith("500 5.5.2")
    assert await client.is_closed()


async def test_a_login_survives_ehlo_and_rset(client: Client) -> None:
    await client.say(f"AUTH PLAIN {plain()}")
    await client.hello()
    await client.say("RSET")
    assert (await client.say("MAIL FROM:<a@b.test>")).startswith("250")


async def test_faults_are_temporary_and_not_the_clients(
    start: StartListener, connect: Connect, door: RecordingDoor, clock: FakeClock
) -> None:
    limits = AuthLimits(clock, per_minute=1)
    client = await connect(await start(offers_auth=always, auth_limits=limits))
    await client.hello()
    for error in (RuntimeError("secret"), StoreUnavailable("x")):
        door.fails["authenticate"] = error
        assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("451 4.3.0")
    door.fails.clear()
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235")


async def test_no_secret_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    await client.say(f"AUTH PLAIN {plain(password='hunter-2')}")
    await client.say(f"AUTH PLAIN {plain()}")
    await client.say("AUTH LOGIN")
    assert f"authenticated as {NAME!r}" in caplog.text
    for secret in ("hunter-2", PASSWORD, plain(), plain(password="hunter-2")):
        assert secret not in caplog.text
    assert {record.name for record in caplog.records} == {"posthouse.smtp"}


async def test_guesses_are_limited(
    start: StartListener, connect: Connect, door: RecordingDoor, clock: FakeClock
) -> None:
    listener: SmtpListener = await start(offers_auth=always, auth_limits=AuthLimits(clock), errors_allowed=99)
    client = await connect(listener)
    await client.hello()
    replies = [await client.say(f"AUTH PLAIN {plain(password=str(n))}") for n in range(12)]
    assert [reply[:9] for reply in replies] == ["535 5.7.8"] * 10 + ["454 4.7.0"] * 2
    assert len(door.logins) == 10
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("454 4.7.0")
    clock.advance(minutes=1)
    assert (await client.say(f"AUTH PLAIN {plain()}")).startswith("235")


HOME, AWAY, OTHER = (ip_address(text) for text in ("192.0.2.1", "198.51.100.1", "203.0.113.1"))


async def fail(limits: AuthLimits, count: int, address: Any = AWAY, login: str = NAME) -> int:
    """How many of `count` wrong attempts were let through."""
    passed = 0
    for _ in range(count):
        try:
            async with limits.attempt(address, login):
                passed += 1
        except TooManyFailures:
            continue
    return passed


async def succeed(limits: AuthLimits, address: Any = HOME, login: str = NAME) -> None:
    async with limits.attempt(address, login) as attempt:
        attempt.is_right = True


async def test_ten_failures_a_minute_and_fifty_a_day(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    passed = []
    for _ in range(6):
        passed.append(await fail(limits, 20))
        clock.advance(minutes=1)
    assert passed == [10, 10, 10, 10, 10, 0]
    clock.advance(days=1)
    assert await fail(limits, 20) == 10


async def test_an_address_is_limited_over_all_logins(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    assert sum([await fail(limits, 1, login=f"user{n}") for n in range(30)]) == 10


async def test_a_login_is_limited_over_all_addresses(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    addresses = [ip_address(f"198.51.100.{n}") for n in range(30)]
    assert sum([await fail(limits, 1, address) for address in addresses]) == 10


async def test_strangers_cannot_lock_the_owner_out(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    await succeed(limits)
    assert await fail(limits, 20) == 10
    await succeed(limits, login=NAME.upper())
    with pytest.raises(TooManyFailures):
        await succeed(limits, OTHER)
    assert await fail(limits, 20, HOME) == 10
    clock.advance(timedelta(days=31))
    assert await fail(limits, 20) == 10
    with pytest.raises(TooManyFailures):
        await succeed(limits)


async def test_success_and_our_faults_do_not_count_as_failure(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    for _ in range(100):
        await succeed(limits)
    for n in range(100):
        with pytest.raises(StoreUnavailable):
            async with limits.attempt(AWAY, f"user{n}"):
                raise StoreUnavailable("x")
    assert await fail(limits, 20) == 10


async def test_right_logins_at_the_same_time_are_never_refused(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    checked = asyncio.Event()

    async def log_in() -> None:
        async with limits.attempt(HOME, NAME) as attempt:
            await checked.wait()
            attempt.is_right = True

    logins = [asyncio.create_task(log_in()) for _ in range(100)]
    await asyncio.sleep(0)
    checked.set()
    await asyncio.gather(*logins)
    assert await fail(limits, 20, HOME, "somebody") == 10


async def test_wrong_logins_at_the_same_time_get_no_more_guesses(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    checked = asyncio.Event()
    guesses = 0

    async def guess() -> None:
        nonlocal guesses
        async with limits.attempt(AWAY, NAME):
            guesses += 1
            await checked.wait()

    tasks = [asyncio.create_task(guess()) for _ in range(100)]
    await asyncio.sleep(0)
    assert guesses == 10
    checked.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert guesses == 10
    assert sum(isinstance(result, TooManyFailures) for result in results) == 90


async def test_hanging_up_does_not_take_a_guess_back(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    never = asyncio.Event()

    async def guess() -> None:
        async with limits.attempt(AWAY, NAME):
            await never.wait()

    for _ in range(10):
        task = asyncio.create_task(guess())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await fail(limits, 1) == 0


async def test_ipv6_is_limited_by_64(clock: FakeClock) -> None:
    limits = AuthLimits(clock)
    neighbours = [ip_address(f"2001:db8::{n:x}") for n in range(1, 31)]
    assert sum([await fail(limits, 1, address, f"user{address}") for address in neighbours]) == 10


async def test_memory_of_failures_is_bounded(clock: FakeClock) -> None:
    limits = AuthLimits(clock, capacity=100)
    for n in range(1000):
        await fail(limits, 1, ip_address(n + 1), f"user{n}")
    assert len(limits._failures) == 100
