"""A whole house for one test: real store, real doors on loopback, a given clock, DNS and far side.

house = …                              # the fixture
sent = await house.submit(to="ann@far.example")
await house.run_until_idle()
assert await sent.state() is State.DELIVERED
"""

import asyncio
import itertools
import random
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inbound.assembly import WayIn, build_way_in
from inbound.listener import InboundDoor
from inbound.local import LocalDelivery
from inbound.reading.bench import ReadingBench
from relay.address import parse_address
from relay.approvals.clerk import Clerk
from relay.clock import to_us
from relay.config import Config, build_config
from relay.dispatch.assembly import WayOut, build_way_out
from relay.events import log
from relay.events.log import Event
from relay.message.content import Body, ContentWriter
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.trace import Origin
from relay.queue import claims
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.sandbox.simulator import open_simulator
from relay.smtp_server import SmtpListener, SmtpManners, listen
from relay.spool import records as spool
from relay.spool.records import Message
from relay.station import Station, open_station
from relay.store.database import Reader, Transaction
from relay.submission.draft import Draft
from relay.submission.listener import SubmissionDoor
from relay.suppressions import records as suppressions
from relay.templates.rendering import Renderer
from relay.tenants import dkim_selectors, domain_changes, mailbox_changes
from relay.tenants.mailbox_changes import NewMailbox
from relay.tenants.mailboxes import Mailbox
from relay.tenants.passwords import hash_made, make_password
from relay.tenants.tenants import DEFAULT_TENANT
from tests.fakes.clock import FakeClock
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx
from tests.fakes.fresh_store import put_store
from tests.flows.notice import Notice

OURS = "ours.test"
_numbers = itertools.count(1)
FAR = "far.example"


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that was answered 250."""

    house: "House"
    id: str

    async def recipients(self) -> list[QueuedRecipient]:
        return await self.recipients_in(self.house.station.db)

    async def recipients_in(self, reader: Reader) -> list[QueuedRecipient]:
        """As they stand inside a transaction."""
        return await queue.of_message(reader, self.id)

    async def state(self) -> State:
        """The state of its only recipient."""
        (recipient,) = await self.recipients()
        return recipient.state

    async def events(self, kind: str | None = None) -> list[Event]:
        found = await log.of_message(self.house.station.db, self.id)
        return [event for event in found if kind is None or event.kind == kind]

    async def stored(self) -> Message:
        message = await spool.find(self.house.station.db, self.id)
        assert message is not None
        return message


@dataclass(slots=True)
class House:
    """Everything of the daemon but its process."""

    station: Station
    clock: FakeClock
    mx: FarMx
    dns: FakeDns
    way_in: WayIn
    way_out: WayOut
    submission: SmtpListener
    inbound: SmtpListener
    clerk: Clerk
    renderer: Renderer
    passwords: dict[str, str] = field(default_factory=dict)

    async def domain(self, name: str, *, receives: bool = True, bounces: bool = False) -> None:
        """A verified domain with its keys."""
        keys = self.station.keys.generate(name, self.clock.now())

        async def work(tx: Transaction) -> None:
            domain = await domain_changes.add(tx, self.clock, DEFAULT_TENANT, name)
            await domain_changes.assume_verified(tx, self.clock, domain, receives=receives, bounces=bounces)
            selectors = [(key.selector, key.algorithm) for key in keys]
            await dkim_selectors.add(tx, self.clock, domain, selectors)

        await self.station.directory.change(work)

    async def mailbox(self, address: str, **wanted: Any) -> Mailbox:
        """A mailbox whose password the house remembers."""
        password = self.passwords[address] = make_password()

        async def work(tx: Transaction) -> Mailbox:
            new = NewMailbox(address=address, **wanted)
            return await mailbox_changes.add(tx, self.clock, DEFAULT_TENANT, new, hash_made(password))

        return await self.station.directory.change(work)

    async def submit(
        self,
        to: str | Sequence[str] = f"ann@{FAR}",
        *,
        sender: str = f"app@{OURS}",
        message: bytes | None = None,
        login: str | None = None,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
        reverse_path: str | None = None,
    ) -> Sent:
        """Hand a message in over SMTP with AUTH, as an application does; raises smtplib's errors.

        With the empty `login` there is none, as from a trusted network.
        """
        recipients = [to] if isinstance(to, str) else list(to)
        path = sender if reverse_path is None else reverse_path
        message = message if message is not None else letter(sender, recipients[0])

        def talk() -> str:
            with smtplib.SMTP("127.0.0.1", self.submission.port, local_hostname="app.test") as client:
                client.ehlo()
                if login != "":
                    client.login(login or sender, self.passwords[login or sender])
                return _transaction(client, path, recipients, message, mail_options, rcpt_options)

        reply = await asyncio.to_thread(talk)
        return Sent(self, reply.rsplit(" ", 1)[-1])

    async def run_until_idle(self) -> None:
        """Deliver what is due, write notices, read what has come, ask approvers and hear them."""
        busy = True
        while busy:
            await self.way_out.dispatcher.run_until_idle()
            busy = bool(await self.way_out.notifier.step()) or bool(await self.way_out.reporter.step())
            busy = bool(await self.way_in.reader.step()) or busy
            busy = bool(await self.clerk.step()) or busy

    async def received_by(self, address: str) -> list[Message]:
        """What stands in a mailbox, newest first."""
        mailbox = await self.station.directory.mailbox_for_address(parse_address(address))
        assert mailbox is not None
        return await spool.received_by(self.station.db, mailbox.id, 100)

    async def raw(self, message: Message) -> bytes:
        """A stored message as it is kept."""
        stored = await spool.content_of(self.station.db, message.id)
        assert stored is not None
        data, file = await self.station.shelf.open(stored.body, stored.body_file)
        return stored.header + b"\r\n" + Body(data=data, file=file, size=message.body_size).read()

    async def notices(self, address: str = f"app@{OURS}") -> list[Notice]:
        """The delivery status notifications in a mailbox, oldest first."""
        found = [message for message in await self.received_by(address) if not str(message.reverse_path)]
        return [Notice.read(await self.raw(message)) for message in reversed(found)]

    async def used_today(self, address: str = f"app@{OURS}") -> int:
        """How much of its allowance a mailbox has used."""
        mailbox = await self.station.directory.mailbox_for_address(parse_address(address))
        assert mailbox is not None
        return (await self.way_out.booking.caps.standing(self.station.db, mailbox)).used

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        row = await self.station.db.fetch_one(f"select count(*) as found from {table}")  # noqa: S608
        assert row is not None
        return int(row["found"])

    async def bodies(self) -> set[str]:
        """The names of all large bodies that are kept."""
        if self.station.db.engine == "sqlite":
            return set(self.station.shelf.names())
        rows = await self.station.db.fetch_all("select distinct name from body_chunks")
        return {row["name"] for row in rows}

    def leftovers(self) -> list[Path]:
        """Files of unfinished messages."""
        return list(self.station.shelf.incoming.iterdir())

    async def suppress(self, address: str, reason: str = "manual") -> None:
        """Nobody of the default tenant writes to this address any more."""

        async def work(tx: Transaction) -> None:
            await suppressions.add(
                tx, self.clock, tenant_id=DEFAULT_TENANT, address=parse_address(address), reason=reason
            )

        await self.station.db.transact(work)

    async def draft(self, to: Sequence[str], message: bytes, *, sender: str = f"app@{OURS}") -> Draft:
        """What a door hands to `accept`."""
        mailbox = await self.station.directory.mailbox_for_address(parse_address(sender))
        assert mailbox is not None
        writer = ContentWriter(self.station.shelf.incoming, size_limit=1 << 25)
        writer.feed(message)
        return Draft(
            tenant_id=DEFAULT_TENANT,
            mailbox=mailbox,
            envelope=Envelope(
                reverse_path=mailbox.address,
                recipients=[EnvelopeRecipient(parse_address(address)) for address in to],
            ),
            content=writer.finish(),
            origin=Origin(source="api", login=sender),
        )

    async def crash(self) -> None:
        """Die in the middle of every attempt that is due, and start again."""
        now = to_us(self.clock.now())

        async def claim(tx: Transaction) -> None:
            for site in (await claims.survey(tx)).sites:
                await claims.claim_due(
                    tx, site, limit=100, owner=self.station.node, now=now, until=now + 10**9
                )
            while await claims.claim_suspect(tx, owner=self.station.node, now=now, until=now + 10**9):
                pass

        await self.station.db.transact(claim)
        await self.way_out.dispatcher.start()


def letter(sender: str, to: str, *, subject: str = "Invoice 7", body: str = "Hello.\r\n") -> bytes:
    """A plain message as an application writes it."""
    return (
        f"From: App <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{next(_numbers)}@app.test>\r\n"
        f"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n\r\n{body}"
    ).encode()


def _transaction(
    client: smtplib.SMTP,
    path: str,
    recipients: Sequence[str],
    message: bytes,
    mail_options: Sequence[str],
    rcpt_options: Sequence[str],
) -> str:
    code, text = client.mail(path, list(mail_options))
    if code != 250:
        raise smtplib.SMTPSenderRefused(code, text, path)
    for recipient in recipients:
        code, text = client.rcpt(recipient, list(rcpt_options))
        if code != 250:
            raise smtplib.SMTPRecipientsRefused({recipient: (code, text)})
    code, text = client.data(message)
    if code != 250:
        raise smtplib.SMTPDataError(code, text)
    return text.decode()


def configuration(
    data_dir: Path, dns: FakeDns, mx: FarMx, settings: Mapping[str, Any] | None = None
) -> Config:
    """A configuration that reaches only the test's own DNS server and far MX."""
    values: dict[str, Any] = {
        "server.hostname": "mail.ours.test",
        "server.data_dir": str(data_dir),
        "store.min_free": "0MiB",
        "dns.nameservers": [dns.nameserver],
        "dns.timeout": "2s",
        "delivery.port": mx.port,
        "delivery.allow_private_networks": True,
        "dkim.key_dir": str(data_dir / "dkim_keys"),
        "submission.allow_plaintext_auth_from": ["127.0.0.0/8"],
    }
    return build_config({**values, **(settings or {})}, base=data_dir)


async def open_house(
    stack: Any, config: Config, clock: FakeClock, dns: FakeDns, mx: FarMx, *, seed: int = 7
) -> House:
    """Open a house on `stack` (an AsyncExitStack); it is taken down with it."""
    put_store(config.server.data_dir / "posthouse.db")
    station = await stack.enter_async_context(open_station(config, clock))
    bench = ReadingBench()
    stack.push_async_callback(bench.close)
    renderer = Renderer(clock)
    stack.push_async_callback(renderer.close)
    way_in = build_way_in(station, bench)
    local = LocalDelivery(way_in.receiver, config.limits)
    simulator = await open_simulator(station)
    stack.push_async_callback(simulator.drain, config.server.drain_timeout)
    way_out = build_way_out(
        station, local, rng=random.Random(seed), memory=way_in.memory, simulator=simulator
    )
    await way_out.dispatcher.start()
    stack.push_async_callback(way_out.dispatcher.stop, config.server.drain_timeout)
    door = SubmissionDoor(station.db, config, station.directory, way_out.booking, way_out.acceptor)
    spool_dir = station.shelf.incoming
    submission = await listen(
        ("127.0.0.1", 0),
        door,
        SmtpManners(
            hostname=config.server.hostname,
            spool=spool_dir,
            offers_auth=door.offers_auth,
            requires_auth=door.requires_auth,
            message_size=config.limits.message_size,
        ),
    )
    inbound = await listen(
        ("127.0.0.1", 0),
        InboundDoor(way_in.receiver, way_in.doorkeeper, way_in.judge, way_in.screener),
        SmtpManners(hostname=config.server.hostname, spool=spool_dir, offers_dsn=False),
    )
    for listener in (submission, inbound):
        stack.push_async_callback(listener.drain, config.server.drain_timeout)
    clerk = Clerk(station, way_out.acceptor)
    return House(station, clock, mx, dns, way_in, way_out, submission, inbound, clerk, renderer)
