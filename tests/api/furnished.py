"""A daemon with two tenants, and one of everything at ours: for probes that ask as a stranger."""

import smtplib
from asyncio import to_thread
from dataclasses import dataclass
from typing import Any

from relay.clock import SystemClock
from relay.estate.domains import adding
from relay.station import open_station
from relay.store.database import Transaction
from relay.tenants import key_changes, mailbox_changes, tenants
from relay.tenants.key_changes import NewKey
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.api_client import ApiClient, api_client, make_key
from tests.fakes.daemon import APPLICATION, OURS, Daemon

THEIRS = "theirs.test"
SUBJECT = "Harvest of the quince orchard"
FRIEND = "quentin@quince.example"
TEXT = "Forty baskets of quinces on Tuesday."
LABEL = "quince-label"
SPARE = f"spare@{OURS}"
DOOMED = f"doomed@{OURS}"
INBOX = f"/v1/inboxes/{APPLICATION}"
# What many questions at once need.
SETTINGS = {
    "limits.api_requests_per_minute": 1_000_000,
    "limits.auth_failures_per_minute": 1_000_000,
    "limits.auth_failures_per_day": 1_000_000,
    "policy.default_daily_cap": 1_000_000,
}

_FROM_FRIEND = (
    f"From: Quentin <{FRIEND}>\r\nTo: {APPLICATION}\r\nSubject: {SUBJECT}\r\n"
    "Message-ID: <quince-1@quince.example>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
    f"--x\r\nContent-Type: text/plain\r\n\r\n{TEXT}\r\n"
    "--x\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=baskets.csv\r\n\r\n"
    "quince,40\r\n--x--\r\n"
)


@dataclass(slots=True)
class Furnished:
    """Keys of the three kinds; what stands at ours by its place in a path, and what an operation uses up.

    `likely` are values by which a request means something here; `marks` are words of ours alone,
    `event` is one of ours.
    """

    daemon: Daemon
    live: str
    test: str
    foreign: str
    places: dict[str, str]
    doomed: dict[str, dict[str, str]]
    likely: dict[str, Any]
    marks: list[str]
    event: str


async def furnish(daemon: Daemon) -> Furnished:
    """Keys and the other tenant, then the daemon is started and something put into every drawer."""
    live = await make_key(daemon, name="live", root=True)
    test = await make_key(daemon, name="test", test=True)
    foreign = await _other_tenant(daemon)
    for address in (SPARE, DOOMED):
        await daemon.add_mailbox(address)
    await daemon.start()
    async with api_client(daemon, test) as api:
        caught = await _try_something(daemon, api)
    async with api_client(daemon, live) as api:
        places = await _fill(daemon, api) | {"caught": caught}
        # Nobody has the friend's domain: when its sender has heard that, nothing changes by itself any more.
        heard = await api.get(f"{INBOX}/messages/wait", after=places["message"], timeout="60")
        assert heard["message"] is not None
        doomed = await _fill_to_use_up(api)
        marks = await _marks(api)
        event = (await api.get("/v1/events", limit="1"))["data"][0]["id"]
    # Everybody is told this server's own name, which holds the domain's; att_1 is many people's.
    marks += [place for name, place in places.items() if name not in ("domain", "attachment", "version")]
    return Furnished(daemon, live, test, foreign, places, doomed, _likely(places), marks, event)


async def everything(furnished: Furnished) -> dict[str, Any]:
    """What is in our drawers."""
    places = furnished.places
    paths = [
        *("/v1/domains", "/v1/inboxes", "/v1/threads", "/v1/suppressions", "/v1/lists/send/block"),
        *("/v1/templates", f"/v1/templates/{places['template']}/versions"),
        *(INBOX, f"{INBOX}/messages", f"{INBOX}/messages/{places['message']}", f"{INBOX}/drafts"),
        *(f"/v1/webhooks/{places['webhook_id']}", f"/v1/keys/{places['key_id']}"),
        *("/v1/brands", "/v1/tenants"),
    ]
    async with api_client(furnished.daemon, furnished.live) as api:
        return {path: await api.get(path) for path in paths}


async def _other_tenant(daemon: Daemon) -> str:
    """A tenant with a domain, an inbox and a key, which is returned."""
    clock = SystemClock()

    async def work(tx: Transaction) -> str:
        await mailbox_changes.add(tx, clock, other.id, NewMailbox(address=f"app@{THEIRS}"))
        return (await key_changes.create(tx, clock, other.id, NewKey(name="foreign"))).secret

    async with open_station(daemon.config, clock) as station:
        other = await station.db.transact(lambda tx: tenants.add(tx, clock, "Others"))
        async with adding(station, other.id, THEIRS, assume_verified=True, receives=True) as add_domain:
            await station.directory.change(add_domain)
        return await station.directory.change(work)


async def _try_something(daemon: Daemon, api: ApiClient) -> str:
    """Test mail; returns what was caught of it."""
    await api.post("/v1/emails", {"from": APPLICATION, "to": "delivered@simulator.test", "text": TEXT})
    await daemon.happens("message.delivered")
    (caught,) = (await api.get("/v1/test/emails"))["data"]
    id_: str = caught["id"]
    return id_


async def _fill(daemon: Daemon, api: ApiClient) -> dict[str, str]:
    await to_thread(_mail_comes, daemon)
    await daemon.happens("message.received")
    (received,) = (await api.get(f"{INBOX}/messages", direction="in"))["data"]
    await api.patch(f"{INBOX}/threads/{received['thread_id']}", {"labels": [LABEL]})
    letter: dict[str, Any] = {"to": [FRIEND], "subject": SUBJECT, "text": TEXT}
    sent = await api.post(f"{INBOX}/messages", letter)
    # Nobody is at that domain: the notice of it must not come while a stranger is asking.
    told = await api.get(f"{INBOX}/messages/wait", timeout="60", after=received["id"])
    assert told["message"] is not None
    draft = await api.post(f"{INBOX}/drafts", letter)
    batch = await api.post("/v1/emails/batch", {"emails": [{**letter, "to": "nobody", "from": APPLICATION}]})
    suppression = await api.post("/v1/suppressions", {"address": f"gone.{FRIEND}"})
    await api.post("/v1/lists/send/block", {"entry": f"blocked.{FRIEND}"})
    # Of an inbox that gets no mail: failing posts would change it.
    quiet = {"url": "https://hooks.quince.example/q", "label": "quince", "inbox": SPARE}
    webhook = await api.post("/v1/webhooks", quiet)
    key = await api.post("/v1/keys", {"name": "quince key"})
    template = await api.post("/v1/templates", {"name": "quince-letter", "html": TEXT, "publish": True})
    brand = await api.post("/v1/brands", {"name": "quince brand"})
    approval = await _held(api)
    await api.patch(INBOX, {"warmup": "gentle"})
    return {
        "inbox": APPLICATION,
        "domain": OURS,
        "message": received["id"],
        "thread": received["thread_id"],
        "attachment": received["attachments"][0]["id"],
        "draft": draft["id"],
        "suppression": suppression["id"],
        "webhook_id": webhook["id"],
        "key_id": key["id"],
        "brand": brand["id"],
        "approval": approval,
        "tenant": DEFAULT_TENANT,
        "other_thread": sent["thread_id"],
        "email": sent["id"],
        "token": "nobody-signed-this",
        "batch": batch["id"],
        "template": template["id"],
        "version": "1",
    }


async def _held(api: ApiClient) -> str:
    """The approval that a message of an inbox without webhooks waits for."""
    guards = f"/v1/inboxes/{DOOMED}/guards"
    await api.patch(guards, {"approval": "always"})
    await api.post(f"/v1/inboxes/{DOOMED}/messages", {"to": [FRIEND], "subject": SUBJECT, "text": TEXT})
    await api.patch(guards, {"approval": "never"})
    newest: str = (await api.get("/v1/approvals", limit="1"))["data"][0]["id"]
    return newest


async def _fill_to_use_up(api: ApiClient) -> dict[str, dict[str, str]]:
    drafts = [await api.post(f"{INBOX}/drafts", {"to": [FRIEND], "subject": SUBJECT}) for _ in range(2)]
    await api.post("/v1/domains", {"name": "doomed.test"})
    suppression = await api.post("/v1/suppressions", {"address": f"doomed.{FRIEND}"})
    webhook = await api.post("/v1/webhooks", {"url": "https://hooks.quince.example/doomed"})
    key = await api.post("/v1/keys", {"name": "doomed"})
    template = await api.post("/v1/templates", {"name": "doomed-letter", "html": TEXT})
    brand = await api.post("/v1/brands", {"name": "doomed"})
    tenant = await api.post("/v1/tenants", {"name": "doomed"})
    return {
        "POST /v1/inboxes/{inbox}/drafts/{draft}/send": {"draft": drafts[0]["id"]},
        "DELETE /v1/inboxes/{inbox}/drafts/{draft}": {"draft": drafts[1]["id"]},
        "DELETE /v1/inboxes/{inbox}": {"inbox": DOOMED},
        "DELETE /v1/domains/{domain}": {"domain": "doomed.test"},
        "DELETE /v1/suppressions/{suppression}": {"suppression": suppression["id"]},
        "DELETE /v1/webhooks/{webhook_id}": {"webhook_id": webhook["id"]},
        "DELETE /v1/keys/{key_id}": {"key_id": key["id"]},
        "DELETE /v1/templates/{template}": {"template": template["id"]},
        "DELETE /v1/brands/{brand}": {"brand": brand["id"]},
        "POST /v1/tenants/{tenant}/suspend": {"tenant": tenant["id"]},
    }


async def _marks(api: ApiClient) -> list[str]:
    """Words and ids that stand nowhere but in what is ours."""
    listed = [await api.get(path) for path in ("/v1/inboxes", "/v1/domains", "/v1/threads", "/v1/webhooks")]
    ids = [each["id"] for page in listed for each in page["data"]]
    return [
        *ids,
        SUBJECT,
        FRIEND,
        TEXT,
        LABEL,
        SPARE,
        DOOMED,
        "quince key",
        "hooks.quince.example",
        "quince-letter",
        "quince brand",
    ]


def _likely(places: dict[str, str]) -> dict[str, Any]:
    """By the field's name; mail is never asked to wait or to go out under another name."""
    nobody: list[str] = []
    return {
        **{
            "to": "zoe@far.example",
            "cc": nobody,
            "bcc": nobody,
            "reply_to": nobody,
            "from": None,
            "send_at": None,
            "send_at_local": None,
            "timezone": None,
        },
        **{"headers": {"X-Probe": "yes"}, "attachments": nobody, "metadata": {}, "pool": None},
        **{"in_reply_to": places["message"], "forward_of": None, "message_ids": [places["message"]]},
        **{
            "thread_id": places["other_thread"],
            "inbox": places["inbox"],
            "inbox_id": places["inbox"],
            "catch_all": places["inbox"],
        },
        **{"template": None, "layout": None, "variables": {"name": "Zoe"}, "html": "<p>{{ name }}</p>"},
        **{"url": "https://hooks.far.example/probe", "expires_at": None, "cidrs": nobody},
    }


def _mail_comes(daemon: Daemon) -> None:
    with smtplib.SMTP("127.0.0.1", daemon.ports["inbound"], local_hostname="mx.quince.example") as client:
        client.sendmail(FRIEND, [APPLICATION], _FROM_FRIEND)
