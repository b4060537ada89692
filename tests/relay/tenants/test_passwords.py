"""Logging in: right or wrong, and nothing else to be learned or held up by it."""

import asyncio
import threading

import argon2
import pytest

from relay.errors import InvalidInput
from relay.tenants import passwords
from relay.tenants.credentials import Credential
from relay.tenants.passwords import PasswordChecker, TooManyLogins, hash_made, make_password
from tests.relay.tenants.house import House

CHOSEN = "correct horse battery"


async def add_ann(house: House, password_hash: str) -> Credential:
    mailbox = await house.add_mailbox(
        "ann@example.test", aliases=["info@example.test"], password_hash=password_hash
    )
    return Credential("ann@example.test", mailbox.id, mailbox.tenant_id)


async def test_a_made_password_opens_its_mailbox_and_no_other_does(house: House) -> None:
    password = make_password()
    ann = await add_ann(house, hash_made(password))
    check = house.directory.check_password

    assert await check("ann@example.test", password) == ann
    assert await check("ANN@Example.TEST", password) == ann
    assert await check("ann@example.test", make_password()) is None
    assert await check("ann@example.test", hash_made(password)) is None
    assert await check("ann@example.test", "") is None
    assert await check("info@example.test", password) is None
    assert await check("nobody@example.test", password) is None
    assert await check("not an address", password) is None


async def test_a_chosen_password_opens_its_mailbox_and_no_other_does(house: House) -> None:
    stored = await house.directory.passwords.hash_chosen(CHOSEN)
    ann = await add_ann(house, stored)
    check = house.directory.check_password

    assert stored.startswith("$argon2id$")
    assert await check("ann@example.test", CHOSEN) == ann
    assert await check("ann@example.test", CHOSEN) == ann
    assert await check("ann@example.test", CHOSEN + "x") is None
    assert await check("ann@example.test", make_password()) is None
    assert await check("nobody@example.test", CHOSEN) is None


async def test_a_mailbox_without_a_password_opens_for_nobody(house: House) -> None:
    await house.add_mailbox("ann@example.test")
    for password in ("", "sha256:" + "0" * 64, make_password(), CHOSEN):
        assert await house.directory.check_password("ann@example.test", password) is None


def test_made_passwords_have_130_bits_that_no_config_file_mangles() -> None:
    made = {make_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert password.startswith("phs_")
        assert len(password) == 30
        assert password.replace("_", "").isalnum()
        assert password == password.lower()
        assert set(password[4:]).isdisjoint("ilou")


@pytest.mark.parametrize(
    "password",
    ["", "short", "x" * 1025, "line\nbreaks are not meant", pytest.param(make_password(), id="made by us")],
)
async def test_passwords_that_will_not_do_are_refused(house: House, password: str) -> None:
    with pytest.raises(InvalidInput, match="password"):
        await house.directory.passwords.hash_chosen(password)


async def test_a_damaged_hash_opens_nothing() -> None:
    checker = PasswordChecker()
    try:
        for stored in ("", "$argon2id$v=19$m=1", "plain", "sha256:"):
            assert not await checker.matches(CHOSEN, stored)
            assert not await checker.matches(make_password(), stored)
    finally:
        checker.close()


async def test_octets_that_are_no_text_are_a_wrong_password(house: House) -> None:
    await add_ann(house, await house.directory.passwords.hash_chosen(CHOSEN))
    assert await house.directory.check_password("ann@example.test", "caf\udce9 and more") is None


class CountingHasher:
    """Does the real work, counted."""

    def __init__(self) -> None:
        self._real = passwords._HASHER
        self.verified = 0

    def hash(self, password: bytes) -> str:
        return self._real.hash(password)

    def verify(self, stored: str, password: bytes) -> bool:
        self.verified += 1
        return self._real.verify(stored, password)


@pytest.mark.parametrize(
    "login", ["ann@example.test", "bob@example.test", "nobody@example.test", "no address"]
)
async def test_work_depends_on_the_password_offered_never_on_the_login(
    house: House, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    """Known with either kind of password or unknown: one slow check for a chosen form, none for ours."""
    await house.add_mailbox("ann@example.test", password_hash=hash_made(make_password()))
    chosen = await house.directory.passwords.hash_chosen(CHOSEN)
    await house.add_mailbox("bob@example.test", password_hash=chosen)
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "_HASHER", hasher)

    assert await house.directory.check_password(login, "a wrong password") is None
    assert hasher.verified == 1
    assert await house.directory.check_password(login, make_password()) is None
    assert hasher.verified == 1


async def test_a_right_password_is_slow_only_the_first_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_ann(house, await house.directory.passwords.hash_chosen(CHOSEN))
    hasher = CountingHasher()
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    for _ in range(5):
        assert await house.directory.check_password("ann@example.test", CHOSEN)
    assert hasher.verified == 1


async def test_a_changed_password_is_not_remembered(house: House) -> None:
    hash_chosen = house.directory.passwords.hash_chosen
    await add_ann(house, await hash_chosen(CHOSEN))
    assert await house.directory.check_password("ann@example.test", CHOSEN)
    fresh = await hash_chosen("another password")
    await house.db.transact(lambda tx: tx.execute("update mailboxes set password_hash = $1", fresh))
    assert await house.directory.check_password("ann@example.test", CHOSEN) is None
    assert await house.directory.check_password("ann@example.test", "another password")


async def test_a_flood_of_logins_is_turned_away_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Stuck(CountingHasher):
        def verify(self, stored: str, password: bytes) -> bool:
            begun.set()
            assert go_on.wait(30)
            return super().verify(stored, password)

    monkeypatch.setattr(passwords, "_HASHER", Stuck())
    checker = PasswordChecker(workers=1, waiting=5)
    stored = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(CHOSEN)
    tries = [asyncio.create_task(checker.matches(CHOSEN, stored)) for _ in range(5)]
    await asyncio.to_thread(begun.wait, 30)

    with pytest.raises(TooManyLogins) as refused:
        await checker.matches("somebody else's", None)
    assert (refused.value.reply.code, refused.value.reply.enhanced) == (454, "4.7.0")
    made = make_password()
    assert await checker.matches(made, hash_made(made))

    tries[-1].cancel()
    go_on.set()
    assert await asyncio.gather(*tries[:-1]) == [True] * 4
    assert await checker.matches(CHOSEN, stored)
    checker.close()
    assert checker._queued == 0


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "REMEMBERED", 3)
    checker = PasswordChecker()
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    for number in range(6):
        password = f"password {number}"
        assert await checker.matches(password, weak.hash(password))
    assert len(checker._seen) == 3
    checker.close()
