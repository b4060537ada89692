"""Tell senders what became of their mail: delivery status notifications (RFC 3461, RFC 3464).

A reader of the event log with a cursor of its own. Each notice is taken under
guards that name its recipients, so that dying between a notice and the cursor
repeats none. Nobody is told about a notice, and the null path is told nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

from relay.address import NULL_PATH, Address
from relay.clock import Clock, from_us
from relay.config import Config
from relay.errors import StoreUnavailable
from relay.events import log
from relay.events.following import follow
from relay.events.kinds import EventKind
from relay.events.log import Event
from relay.failpoints import ARMED, reach
from relay.message.content import Body, Content, ContentWriter
from relay.message.dsn import Dsn, DsnAction, DsnRecipient, build_dsn, in_parts, returns_full
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.message.headers import new_message_id
from relay.message.trace import Origin
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.replies import SmtpReply
from relay.spool import records as spool
from relay.spool.records import Message, StoredContent
from relay.store.bodies import BodyShelf
from relay.store.database import Database, Transaction
from relay.submission import repeats
from relay.submission.accept import Acceptor
from relay.submission.draft import Draft

logger = logging.getLogger("posthouse.notify")

CURSOR = "notify"
BATCH = 500
LOOK_AGAIN_SECONDS = 10.0
TRIES = 3

_TOO_LATE = "5.4.7"
_NOT_WRITTEN_TO = SmtpReply(550, "5.7.1", "This address is on the suppression list and was not written to")


@dataclass(slots=True)
class Notifier:
    """Writes the notices that RFC 3461 §4.1 and §5.2 ask for, through `accept` like all mail."""

    db: Database
    clock: Clock
    config: Config
    shelf: BodyShelf
    acceptor: Acceptor
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: Counter[str] = field(default_factory=Counter)
    _paused: bool = False
    # How far the log has been read, and how far the store knows of it.
    _read: int | None = None
    _kept: int = 0

    def wake(self) -> None:
        """Look at the log now."""
        self._woken.set()

    async def pause(self, patience: timedelta) -> None:
        """Write no notices after those of a step that is under way."""
        self._paused = True

    def resume(self) -> None:
        """Write them again, from where the log was left by whoever wrote them meanwhile."""
        self._paused, self._read = False, None
        self.wake()

    async def run(self) -> None:
        """Follow the log until cancelled; a store that cannot be written only makes it wait."""
        await follow(self.step, self._woken, again=LOOK_AGAIN_SECONDS, waits="notices wait", logger=logger)

    async def step(self) -> int:
        """Read on in the log and write what notices it calls for; returns the number of events read.

        A message about which no notice can be written is tried `TRIES` times,
        then passed over, so that others hear of theirs.
        """
        if self._paused:
            return 0
        if self._read is None:
            self._read = self._kept = await log.read_cursor(self.db, CURSOR)
        events = await log.after(self.db, self._read, BATCH)
        if not events:
            return 0
        told = sorted(filter(_calls_for_notice, events), key=lambda event: event.message_id or "")
        by_message = groupby(told, key=lambda event: event.message_id)
        done = [await self._try_to_notify(message_id, list(group)) for message_id, group in by_message]
        if not all(done):
            return 0
        self._read = events[-1].seq
        # After a crash it is read again, and tells nobody twice; so not every step is written down.
        if told or self._read - self._kept >= BATCH:
            await self._keep_cursor(self._read)
        return len(events)

    async def _keep_cursor(self, seq: int) -> None:
        async def work(tx: Transaction) -> None:
            await log.move_cursor(tx, CURSOR, seq)

        await self.db.transact(work)
        self._kept = seq

    async def _try_to_notify(self, message_id: str | None, events: Sequence[Event]) -> bool:
        """Whether these events need no further look."""
        if message_id is None:
            return True
        try:
            await self._notify(message_id, events)
        except StoreUnavailable:
            raise
        except Exception:
            self._failures[message_id] += 1
            logger.exception("the sender of %s could not be told", message_id)
            if self._failures[message_id] < TRIES:
                return False
        self._failures.pop(message_id, None)
        return True

    async def _notify(self, message_id: str, events: Sequence[Event]) -> None:
        message = await spool.find(self.db, message_id)
        stored = await spool.content_of(self.db, message_id)
        # Whoever tries things out reads the events; a notice would be live mail.
        is_test = message is not None and message.is_test
        if message is None or stored is None or is_test or not isinstance(message.reverse_path, Address):
            return
        wanted = await self._wanted(message, events)
        for part in in_parts(list(wanted.values())):
            guards = [guard for guard, told in wanted.items() if told in part]
            await self._send(message, message.reverse_path, stored, part, guards)

    async def _wanted(self, message: Message, events: Sequence[Event]) -> dict[str, DsnRecipient]:
        """What the sender is to be told, by guard: asked for, and not told before."""
        rows = {row.id: row for row in await queue.of_message(self.db, message.id)}
        wanted = {}
        for event in events:
            recipient = rows.get(event.recipient_id or 0)
            if recipient is None:
                continue
            action = _action(event, recipient)
            if _is_wanted(recipient.notify, action):
                guard = f"dsn:{recipient.id}:{action.value}"
                wanted[guard] = _reported(recipient, event, action)
        told = await repeats.guarded(self.db, message.tenant_id, list(wanted))
        return {guard: recipient for guard, recipient in wanted.items() if guard not in told}

    async def _send(
        self,
        message: Message,
        to: Address,
        stored: StoredContent,
        recipients: tuple[DsnRecipient, ...],
        guards: Iterable[str],
    ) -> None:
        hostname = self.config.server.hostname
        dsn = Dsn(
            reporting_mta=hostname,
            to=to,
            message_id=new_message_id(hostname, self.clock),
            at=self.clock.now(),
            arrived_at=from_us(message.created_at),
            recipients=recipients,
            original_header=stored.header,
            original_body=await self._body(message, stored, recipients),
            envid=message.envid,
            ret=message.ret,
        )
        header, body = build_dsn(dsn)
        envelope = Envelope(
            reverse_path=NULL_PATH,
            recipients=[EnvelopeRecipient(to, "NEVER")],
            smtputf8=not header.isascii(),
        )
        writer = ContentWriter(self.shelf.incoming, size_limit=2 * self.config.limits.message_size)
        try:
            draft = Draft(
                tenant_id=message.tenant_id,
                mailbox=None,
                envelope=envelope,
                content=await asyncio.to_thread(_content, writer, header, body),
                origin=Origin(source="dsn"),
                guards=tuple(guards),
            )
            if ARMED:
                reach("notices.made")
            accepted = await self.acceptor.accept(draft)
            if ARMED:
                reach("notices.accepted")
        finally:
            writer.discard()
        logger.info("%s tells the sender of %s", accepted.message_id, message.id)

    async def _body(
        self, message: Message, stored: StoredContent, recipients: Sequence[DsnRecipient]
    ) -> bytes | None:
        if stored.is_purged or not returns_full(message.ret, recipients, message.size):
            return None
        data, file = await self.shelf.open(stored.body, stored.body_file)
        return await asyncio.to_thread(Body(data=data, file=file, size=message.body_size).read)


def _content(writer: ContentWriter, header: bytes, body: bytes) -> Content:
    writer.feed(header + b"\r\n" + body)
    return writer.finish()


def _calls_for_notice(event: Event) -> bool:
    if event.kind == EventKind.MESSAGE_DEFERRED:
        return bool(event.data.get("delay_notice"))
    if event.kind == EventKind.MESSAGE_DELIVERED:
        return bool(event.data.get("success_notice"))
    return event.kind in (
        EventKind.MESSAGE_BOUNCED,
        EventKind.MESSAGE_EXPIRED,
        EventKind.MESSAGE_SUPPRESSED,
    )


def _action(event: Event, recipient: QueuedRecipient) -> DsnAction:
    if event.kind == EventKind.MESSAGE_DEFERRED:
        return DsnAction.DELAYED
    if event.kind == EventKind.MESSAGE_DELIVERED:
        return DsnAction.DELIVERED if recipient.is_local else DsnAction.RELAYED
    return DsnAction.FAILED


def _is_wanted(notify: str | None, action: DsnAction) -> bool:
    """RFC 3461 §4.1: without NOTIFY a sender hears of failure and delay, not of success."""
    wishes = {"FAILURE", "DELAY"} if notify is None else set(notify.split(","))
    wish = {DsnAction.FAILED: "FAILURE", DsnAction.DELAYED: "DELAY"}.get(action, "SUCCESS")
    return wish in wishes


def _reported(recipient: QueuedRecipient, event: Event, action: DsnAction) -> DsnRecipient:
    mx = event.data.get("mx")
    return DsnRecipient(
        address=recipient.address,
        action=action,
        reply=_read_reply(event.data.get("reply")),
        remote_mta=None if recipient.is_local else mx,
        status=_TOO_LATE if event.kind == EventKind.MESSAGE_EXPIRED else None,
        orcpt=recipient.orcpt,
        last_attempt_at=event.at if "attempt" in event.data else None,
        retry_until=from_us(recipient.expires_at) if recipient.expires_at else None,
    )


def _read_reply(text: str | None) -> SmtpReply:
    if text is None:
        return _NOT_WRITTEN_TO
    return SmtpReply.read(int(text[:3]), text[4:])
