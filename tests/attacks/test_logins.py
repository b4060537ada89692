"""Guessing at passwords: a login that exists sounds like one that does not, and there are few guesses."""

import asyncio
import base64

import pytest

from tests.attacks.submitting import plain
from tests.fakes.daemon import APPLICATION, OURS, Daemon, MakeDaemon
from tests.relay.smtp_server.client import Client

NOBODY = f"nobody@{OURS}"
CHOSEN = "correct horse battery staple"
MADE_UP = "phs_" + "0" * 26
FEW = 3
# One mailbox to whoever looks it up.
SPELLINGS = [
    APPLICATION,
    APPLICATION.upper(),
    f"App@{OURS}",
    f'"app"@{OURS}',
    "app@ou\u00adrs.test",
    "app@our\u00ads.test",
    "app@our\u00ad\u00ads.test",
    "app@ours\u3002test",
    "app@\uff4furs.test",
    "app@o\uff55rs.test",
    "app@ou\u200br\u00ads.test",
    "app@\u24deurs.test",
]


@pytest.fixture
async def guarded(make_daemon: MakeDaemon) -> Daemon:
    """One that takes passwords in the clear, and few wrong ones."""
    settings = {
        "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
        "limits.auth_failures_per_minute": FEW,
    }
    return await make_daemon(settings)


async def guess(daemon: Daemon, login: str, password: str, source: str) -> str:
    async with await Client.open(daemon.ports["submission"], source=source) as client:
        await client.hello()
        return await client.say(f"AUTH PLAIN {plain(login, password)}")


async def test_every_wrong_login_sounds_the_same(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"submission.allow_plaintext_auth_from": ["127.0.0.0/8"]})
    await daemon.add_mailbox(f"people@{OURS}", password=CHOSEN)
    await daemon.start()
    logins = (APPLICATION, f"people@{OURS}", NOBODY, f"app@{OURS}.example", "app", "", "\u2028", "a" * 3000)

    async def dialogue(number: int, login: str, password: str) -> list[str]:
        """With AUTH LOGIN, step by step, from an address of its own; then with PLAIN."""
        said = []
        async with await Client.open(daemon.ports["submission"], source=f"127.0.1.{number}") as client:
            await client.hello()
            said.append(await client.say("AUTH LOGIN"))
            for word in (login, password):
                said.append(await client.say(base64.b64encode(word.encode())))
            said.append(await client.say(f"AUTH PLAIN {plain(login, password)}"))
            said.append(await client.say(f"MAIL FROM:<{APPLICATION}>"))
        return said

    cases = [(login, password) for login in logins for password in ("wrong", MADE_UP, CHOSEN[:-1])]
    heard = await asyncio.gather(*(dialogue(number, *case) for number, case in enumerate(cases, 1)))
    assert {tuple(said) for said in heard} == {tuple(heard[0])}
    assert [line[:9] for line in heard[0][2:]] == ["535 5.7.8", "535 5.7.8", "530 5.7.0"]
    for login, password in cases:
        assert plain(login, password) not in daemon.log
    assert "wrong login" in daemon.log
    assert NOBODY not in daemon.log


async def test_one_login_has_few_guesses_from_the_whole_world_in_any_spelling(guarded: Daemon) -> None:
    await guarded.start()
    sources = [f"127.0.2.{number}" for number in range(1, 2 * len(SPELLINGS) + 1)]
    answers = await asyncio.gather(
        *(
            guess(guarded, login, "wrong", source)
            for login, source in zip(2 * SPELLINGS, sources, strict=True)
        )
    )
    assert sorted(answer[:9] for answer in answers).count("535 5.7.8") == FEW
    assert {answer[:9] for answer in answers} == {"535 5.7.8", "454 4.7.0"}


async def test_one_address_has_few_guesses_at_all_logins_and_harms_no_other(guarded: Daemon) -> None:
    await guarded.start()
    assert (await guess(guarded, APPLICATION, guarded.password, "127.0.3.1")).startswith("235 ")
    answers = [
        await guess(guarded, f"user{number}@{OURS}", "wrong", "127.0.3.2") for number in range(FEW + 2)
    ]
    assert [answer[:3] for answer in answers] == ["535"] * FEW + ["454"] * 2
    # Not even a right password is looked at from there; elsewhere it opens.
    assert (await guess(guarded, APPLICATION, guarded.password, "127.0.3.2")).startswith("454 ")
    assert (await guess(guarded, APPLICATION, guarded.password, "127.0.3.3")).startswith("235 ")


async def test_who_is_known_is_not_locked_out_by_strangers(guarded: Daemon) -> None:
    await guarded.start()
    assert (await guess(guarded, APPLICATION, guarded.password, "127.0.4.1")).startswith("235 ")
    for number in range(FEW + 1):
        last = await guess(guarded, APPLICATION, "wrong", f"127.0.4.{number + 2}")
    assert last.startswith("454 ")
    assert (await guess(guarded, APPLICATION.upper(), guarded.password, "127.0.4.1")).startswith("235 ")


async def test_nobody_speaks_for_another(guarded: Daemon) -> None:
    """An authorization identity beside one's own, a second login, and a change of person in mid-session."""
    other = await guarded.add_mailbox(f"other@{OURS}")
    await guarded.start()
    async with await Client.open(guarded.ports["submission"]) as client:
        await client.hello()
        foreign = plain(APPLICATION, guarded.password, authzid=f"other@{OURS}")
        assert (await client.say(f"AUTH PLAIN {foreign}")).startswith("535 5.7.8 ")
        assert (await client.say(f"AUTH PLAIN {plain(APPLICATION, guarded.password)}")).startswith("235 ")
        assert (await client.say(f"AUTH PLAIN {plain(f'other@{OURS}', other)}")).startswith("503 5.5.1 ")
        await client.hello()
        assert (await client.say(f"AUTH PLAIN {plain(f'other@{OURS}', other)}")).startswith("503 5.5.1 ")
        assert (await client.say("MAIL FROM:<postmaster@elsewhere.test>")).startswith("553 5.7.1 ")
