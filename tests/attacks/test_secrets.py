"""Every secret that was used is looked for afterwards: in the log, in the store's files, in every answer.

Webhook secrets stand in the store, since a signature needs them
(docs/decisions.md); nothing else does.
"""

import base64
import gzip
import json
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from api.app import OPERATIONS
from relay.control.operations.store import BackUp
from tests.attacks.submitting import log_in, plain
from tests.fakes.api_client import api_client, http_client, make_key
from tests.fakes.daemon import APPLICATION, OURS, Daemon, MakeDaemon
from tests.relay.smtp_server.client import Client

CHOSEN = "correct horse battery staple"
SMARTHOST = "smart-secret-7351"
INBOX = f"/v1/inboxes/{APPLICATION}"


@pytest.fixture
async def used(make_daemon: MakeDaemon) -> Daemon:
    """Running, and as talkative as it can be."""
    return await make_daemon(
        {
            "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
            "log.level": "debug",
            "delivery.smarthost": f"smtp://joe:{SMARTHOST}@127.0.0.1:9",
            "limits.auth_failures_per_minute": 1000,
            "webhooks.allow_private_networks": True,
        }
    )


async def use(daemon: Daemon) -> dict[str, str]:
    """Use a secret of every kind, rightly and wrongly; they are returned by what they are."""
    live, test = await make_key(daemon, name="live"), await make_key(daemon, name="test", test=True)
    secrets = {"live key": live, "test key": test, "made password": daemon.password, "smarthost": SMARTHOST}
    await daemon.add_mailbox(f"people@{OURS}", password=CHOSEN)
    await daemon.start()
    async with api_client(daemon, live) as api:
        wanted = {"address": f"more@{OURS}", "smtp_password": True}
        inbox = await api.post("/v1/inboxes", wanted, Idempotency_Key="inbox")
        made = await api.post("/v1/keys", {"name": "by HTTP"}, Idempotency_Key="key")
        hook = await api.post("/v1/webhooks", {"url": "http://127.0.0.1:8/hook"}, Idempotency_Key="hook")
        await api.post(f"/v1/webhooks/{hook['id']}/test")
        rotated = await api.post(f"/v1/webhooks/{hook['id']}/rotate")
        await api.post(f"{INBOX}/messages", {"to": "ann@far.example", "text": "hello"})
    secrets |= {"key over HTTP": made["key"], "chosen password": CHOSEN, "told": inbox["smtp_password"]}
    secrets |= {"webhook secret": hook["secret"], "webhook secret after": rotated["secret"]}
    async with http_client(daemon, live) as http:
        await http.get(f"/v1/inboxes?access_token={live}")
        await http.get(f"/v1/{live}")
        await http.post("/v1/keys", json={"name": live, "unknown": daemon.password})
        await http.get("/v1/account", headers={"X-Api-Key": live, "User-Agent": live, "Cookie": live})
    for login, password in (
        (APPLICATION, daemon.password),
        (f"people@{OURS}", CHOSEN),
        (APPLICATION, CHOSEN),
    ):
        secrets[f"AUTH of {login} with {password[:4]}"] = plain(login, password)
        secrets[f"base64 of {password[:4]}"] = base64.b64encode(password.encode()).decode()
        async with await Client.open(daemon.ports["submission"]) as client:
            await log_in(client, login, password)
            await client.say(f"AUTH PLAIN {plain(login, password)} again")
            await client.say(f"AUTH {plain(login, password)}")
            await client.say(password)
        async with await Client.open(daemon.ports["submission"]) as client:
            await client.hello()
            await client.say("AUTH LOGIN")
            await client.say(base64.b64encode(login.encode()))
            await client.say(base64.b64encode(password.encode()))
    for file in (daemon.config.dkim.key_dir / OURS).iterdir():
        lines = file.read_text().splitlines()[1:-1]
        secrets[f"DKIM key {file.name}"] = lines[len(lines) // 2]
    secrets["TLS key"] = (daemon.directory / "tls.key").read_text().splitlines()[2]
    return secrets


def found_in(octets: bytes, secrets: Mapping[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if secret.encode() in octets]


async def answers_to(daemon: Daemon, key: str) -> dict[str, bytes]:
    """Every list and everything that a list names, over HTTP; the OpenAPI document and the metrics too."""
    answers: dict[str, bytes] = {}
    places = {"{inbox}": APPLICATION, "{domain}": OURS, "{direction}": "send", "{type}": "block"}
    async with http_client(daemon, key) as http:
        for operation in OPERATIONS:
            path = operation.path
            for place, value in places.items():
                path = path.replace(place, value)
            if operation.method != "GET" or path.endswith(("/stream", "/wait")) or "{" in path:
                continue
            answers[path] = (await http.get(path)).content
            document = json.loads(answers[path]) if answers[path].startswith(b'{"data"') else {"data": []}
            for each in document["data"]:
                if "id" in each and path.count("/") in (2, 4):
                    answers[f"{path}/{each['id']}"] = (await http.get(f"{path}/{each['id']}")).content
                    answers[f"{path}/{each['id']}/raw"] = (await http.get(f"{path}/{each['id']}/raw")).content
    return answers


def said_by(daemon: Daemon, *words: str) -> bytes:
    """What the command line prints."""
    command = [sys.executable, "-m", "relay", *words, "--config", str(daemon.config_file)]
    return subprocess.run(command, capture_output=True, check=True).stdout


async def test_no_secret_stands_where_it_does_not_belong(used: Daemon, tmp_path: Path) -> None:
    secrets = await use(used)
    answers = await answers_to(used, secrets["live key"])
    assert len(answers) > 20
    leaks: dict[str, Any] = {path: found_in(octets, secrets) for path, octets in answers.items()}

    await used.do("store.backup", BackUp(file=str(tmp_path / "copy.db")))
    leaks["config show"] = found_in(said_by(used, "config", "show"), secrets)
    leaks["key list"] = found_in(said_by(used, "key", "list", "--json"), secrets)
    leaks["mailbox show"] = found_in(said_by(used, "mailbox", "show", APPLICATION, "--json"), secrets)
    leaks["tail"] = found_in(said_by(used, "tail", "-n", "1000", "--no-follow"), secrets)
    assert await used.stop() == 0
    leaks["log"] = found_in(used.log.encode(), secrets)

    kept = {name: secret for name, secret in secrets.items() if "webhook" not in name}
    files = [path for path in used.config.server.data_dir.rglob("*") if path.is_file()]
    for path in [*files, tmp_path / "copy.db"]:
        octets = path.read_bytes()
        leaks[path.name] = found_in(gzip.decompress(octets) if octets[:2] == b"\x1f\x8b" else octets, kept)
    assert {place: names for place, names in leaks.items() if names} == {}


async def test_files_are_ours_alone(used: Daemon) -> None:
    """Nobody else on this machine reads mail, keys or passwords, whatever the umask was."""
    await use(used)
    loose = {}
    for top in (used.config.server.data_dir, used.config.dkim.key_dir):
        for path in [top, *top.rglob("*")]:
            mode = stat.S_IMODE(path.lstat().st_mode)
            if mode & 0o077 and not (path != top and _is_closed(path.parent, top)):
                loose[str(path)] = oct(mode)
    assert loose == {}
    assert stat.S_IMODE((used.config.server.data_dir / "control.sock").stat().st_mode) == 0o600


def _is_closed(directory: Path, top: Path) -> bool:
    """Whether nobody else gets into it, by itself or by what is above it."""
    return any(
        stat.S_IMODE(each.stat().st_mode) & 0o077 == 0
        for each in (directory, *directory.parents)
        if each == top or top in each.parents
    )
