"""Many at once where one may: through both doors of the running daemon, and exactly as many win as may."""

import asyncio
import smtplib
from collections import Counter
from collections.abc import Sequence

import httpx2
import pytest

from tests.fakes.api_client import http_client, make_key
from tests.fakes.daemon import OURS, Daemon, MakeDaemon
from tests.flows.house import FAR

CAP = 10
SESSIONS = 12
LETTER = {"to": f"ann@{FAR}", "subject": "x", "text": "x"}


async def by_smtp(daemon: Daemon, mailbox: str, password: str, recipients: Sequence[str]) -> int:
    """To how many it was taken; in the clear, which the daemon allows here."""

    def talk() -> int:
        with smtplib.SMTP("127.0.0.1", daemon.ports["submission"], local_hostname="app.test") as client:
            client.login(mailbox, password)
            client.mail(mailbox)
            accepted = sum(client.rcpt(recipient)[0] == 250 for recipient in recipients)
            taken = accepted > 0 and client.data(f"From: {mailbox}\r\n\r\nx\r\n")[0] == 250
            return accepted if taken else 0

    return await asyncio.to_thread(talk)


async def by_http(http: httpx2.AsyncClient, mailbox: str, recipients: Sequence[str]) -> int:
    answer = await http.post(f"/v1/inboxes/{mailbox}/messages", json={**LETTER, "to": list(recipients)})
    assert answer.status_code in (201, 429), answer.text
    return len(recipients) if answer.status_code == 201 else 0


async def test_a_cap_is_never_overshot_by_any_mixture(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"submission.allow_plaintext_auth_from": ["127.0.0.0/8"]})
    password = {f"m{run}@{OURS}": "" for run in range(3)}
    for mailbox in password:
        password[mailbox] = await daemon.add_mailbox(mailbox, daily_cap=CAP)
    key = await make_key(daemon)
    await daemon.start()
    async with http_client(daemon, key, connections=SESSIONS) as http:
        for run, mailbox in enumerate(password):
            people = [f"p{number}@{FAR}" for number in range(run + 1)]  # several cost as many
            tries = [by_smtp(daemon, mailbox, password[mailbox], people) for _ in range(SESSIONS)]
            tries += [by_http(http, mailbox, people) for _ in range(SESSIONS)]
            taken = sum(await asyncio.gather(*tries))
            used = (await http.get(f"/v1/inboxes/{mailbox}")).json()["used_today"]
            assert used == taken
            # What is left would not do for one more message of so many.
            assert CAP - len(people) < taken <= CAP


@pytest.mark.both_engines
async def test_of_five_hundred_at_once_a_hundred_pass(store_url: str, make_daemon: MakeDaemon) -> None:
    """Singly over SMTP and HTTP, and in batches, all of them at the same time."""
    settings = {
        "store.url": store_url,
        "submission.trusted_networks": ["127.0.0.0/8"],
        "limits.connections_per_ip": 1000,
        "limits.http_connections_per_ip": 1000,
        "limits.api_requests_per_minute": 100_000,
    }
    daemon = await make_daemon(settings)
    mailbox = f"race@{OURS}"
    await daemon.add_mailbox(mailbox, daily_cap=100)
    key = await make_key(daemon)
    await daemon.start()
    async with http_client(daemon, key, connections=100) as http:
        tries = [in_the_clear(daemon, mailbox) for _ in range(150)]
        tries += [by_http(http, mailbox, [f"ann@{FAR}"]) for _ in range(200)]
        tries += [in_a_batch(http, mailbox, 10) for _ in range(15)]
        taken = sum(await asyncio.gather(*tries))
        used = (await http.get(f"/v1/inboxes/{mailbox}")).json()["used_today"]
    assert (taken, used) == (100, 100)


async def in_the_clear(daemon: Daemon, mailbox: str) -> int:
    """One message over SMTP without a login; 1 where it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["submission"])

    async def reply() -> bytes:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        return line[:3]

    assert await reply() == b"220"
    text = f"From: {mailbox}\r\n\r\nx\r\n.\r\n"
    said = ["EHLO app.test\r\n", f"MAIL FROM:<{mailbox}>\r\n", f"RCPT TO:<ann@{FAR}>\r\n", "DATA\r\n", text]
    replies = []
    for words in said:
        writer.write(words.encode())
        replies.append(await reply())
        if replies[-1][:1] in b"45":
            break
    writer.close()
    await writer.wait_closed()
    assert replies[-1] in (b"250", b"451"), replies
    return int(len(replies) == len(said) and replies[-1] == b"250")


async def in_a_batch(http: httpx2.AsyncClient, mailbox: str, emails: int) -> int:
    answer = await http.post("/v1/emails/batch", json={"emails": [{"from": mailbox, **LETTER}] * emails})
    assert answer.status_code == 201, answer.text
    problems = {each["problem"]["code"] for each in answer.json()["results"] if "problem" in each}
    assert problems <= {"mailbox_cap_reached"}
    return int(answer.json()["accepted"])


@pytest.mark.both_engines
async def test_two_hundred_requests_under_one_key_make_one_message(
    store_url: str, make_daemon: MakeDaemon
) -> None:
    daemon = await make_daemon({"store.url": store_url, "limits.api_requests_per_minute": 100_000})
    key = await make_key(daemon)
    await daemon.start()
    document = {**LETTER, "from": f"app@{OURS}", "idempotency_key": "one"}
    async with http_client(daemon, key, connections=100) as http:
        answers = await asyncio.gather(*(http.post("/v1/emails", json=document) for _ in range(200)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len((await http.get("/v1/emails")).json()["data"]) == 1


async def test_what_can_be_done_once_is_done_once(daemon: Daemon) -> None:
    key = await make_key(daemon)
    await daemon.start()
    inbox = f"/v1/inboxes/app@{OURS}"
    async with http_client(daemon, key, connections=SESSIONS) as http:

        async def at_once(path: str, document: object, **fields: str) -> Counter[int]:
            asked = (http.post(path, json=document, headers=fields) for _ in range(2 * SESSIONS))
            return Counter(answer.status_code for answer in await asyncio.gather(*asked))

        draft = (await http.post(f"{inbox}/drafts", json=LETTER)).json()["id"]
        assert await at_once(f"{inbox}/drafts/{draft}/send", {}) == {201: 1, 404: 2 * SESSIONS - 1}
        assert await at_once("/v1/inboxes", {"address": f"new@{OURS}"}) == {201: 1, 409: 2 * SESSIONS - 1}
        assert await at_once("/v1/domains", {"name": "new.test"}) == {201: 1, 409: 2 * SESSIONS - 1}
        mails = await at_once(f"{inbox}/messages", LETTER, **{"Idempotency-Key": "one"})
        assert mails == {201: 2 * SESSIONS}
        sent = (await http.get(f"{inbox}/messages")).json()["data"]
        assert len(sent) == 2  # the draft's and this one
        other = {**LETTER, "text": "y"}
        assert await at_once(f"{inbox}/messages", other, **{"Idempotency-Key": "one"}) == {409: 2 * SESSIONS}


async def test_no_request_begun_after_a_revocation_succeeds(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"limits.auth_failures_per_minute": 1000})
    key, doomed = await make_key(daemon), await make_key(daemon, name="doomed")
    await daemon.start()
    async with http_client(daemon, key) as http, http_client(daemon, doomed, connections=SESSIONS) as their:
        id_ = (await their.get("/v1/account")).json()["key"]["id"]
        storm = [asyncio.ensure_future(their.get("/v1/inboxes")) for _ in range(100)]
        assert (await http.delete(f"/v1/keys/{id_}")).status_code == 204
        after = await asyncio.gather(*(their.get("/v1/inboxes") for _ in range(SESSIONS)))
        assert {answer.status_code for answer in after} == {401}
        assert {answer.status_code for answer in await asyncio.gather(*storm)} <= {200, 401}
