"""The same thing asked twice is done once: keys, kept in the transaction that does the work.

Owns the table `idempotency`. A client that lost our 250 and submits again
gets the first answer; a key used for something else is refused.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from relay.clock import Clock, span_us, to_us
from relay.errors import Refusal
from relay.message.content import Content
from relay.message.envelope import Envelope
from relay.queue import listing
from relay.replies import SmtpReply
from relay.store.database import Reader, Transaction

LOST_REPLY_WINDOW = timedelta(minutes=10)
KEY_LIFETIME = timedelta(hours=24)
GUARD_LIFETIME = timedelta(days=30)
ANOTHER_REQUEST = SmtpReply(554, "5.6.0", "This idempotency key was used for another request")


class IdempotencyMismatch(Refusal):
    """The key was used before, for something else."""

    reply = SmtpReply(554, "5.6.0", "This idempotency key was used for another message")
    code = "idempotency_mismatch"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `fingerprint` is of what is asked for, so that another request under it is noticed."""

    key: str
    fingerprint: str
    lifetime: timedelta


def key_of_resubmission(
    credential: str, envelope: Envelope, message_id: str | None, content: Content
) -> Key | None:
    """The key of a client that tries again because our 250 was lost.

    None for mail without a Message-ID of its own: two such messages that look
    alike may both be meant.
    """
    if message_id is None or not message_id.strip():
        return None
    fingerprint = fingerprint_of(envelope, content)
    # A Message-ID is octets, and some clients write it in Latin-1.
    told = f"{credential}\0{message_id}\0{fingerprint}".encode("utf-8", "surrogateescape")
    return Key(f"resubmission:{hashlib.sha256(told).hexdigest()}", fingerprint, LOST_REPLY_WINDOW)


async def may_be_resubmission(
    reader: Reader, clock: Clock, mailbox_id: str, credential: str | None, envelope: Envelope
) -> bool:
    """Whether this envelope, as far as it is known, may be that of a client whose 250 was lost.

    It is where mail for all of its recipients was taken within
    LOST_REPLY_WINDOW; whether this is the same mail its content will tell.
    """
    return await listing.is_taken_together(
        reader,
        [recipient.address for recipient in envelope.recipients],
        mailbox_id=mailbox_id,
        credential=credential,
        reverse_path=envelope.reverse_path,
        after=to_us(clock.now()) - span_us(LOST_REPLY_WINDOW),
    )


def chosen_key(owner: str, key: str, envelope: Envelope, subject: str, content: Content) -> Key:
    """The key that the client chose itself; `owner` is whose it is, since clients do not agree on keys.

    Date and Message-ID may differ when the client writes the message anew.
    """
    fingerprint = hashlib.sha256(f"{fingerprint_of(envelope, content)}\0{subject}".encode()).hexdigest()
    return Key(f"chosen:{owner}:{key}", fingerprint, KEY_LIFETIME)


def fingerprint_of(envelope: Envelope, content: Content) -> str:
    """A digest of the envelope and the body's octets."""
    digest = hashlib.sha256(content.digest)
    digest.update(str(envelope.reverse_path).encode())
    for recipient in envelope.recipients:
        digest.update(b"\0" + str(recipient.address).encode())
    return digest.hexdigest()


async def claim(
    tx: Transaction, clock: Clock, tenant_id: str, keys: Sequence[Key], message_id: str
) -> str | None:
    """Take all `keys` for `message_id`; or return the message that has one of them already.

    Raises IdempotencyMismatch when it has it for something else. Keys whose
    time has run out are free.
    """
    for place, key in enumerate(keys):
        if not await _take(tx, clock, tenant_id, key, message_id):
            holder = await _holder(tx, tenant_id, key)
            # What was taken just now names the message that there is, not the one that will not be.
            await _pass_on(tx, tenant_id, keys[:place], holder)
            return holder
    return None


async def _take(tx: Transaction, clock: Clock, tenant_id: str, key: Key, message_id: str) -> bool:
    now = to_us(clock.now())
    return bool(
        await tx.execute(
            "insert into idempotency"
            " (tenant_id, key, fingerprint, message_id, answer, created_at, expires_at)"
            " values ($1, $2, $3, $4, '', $5, $6)"
            " on conflict (tenant_id, key) do update set fingerprint = excluded.fingerprint,"
            " message_id = excluded.message_id, created_at = excluded.created_at,"
            " expires_at = excluded.expires_at where idempotency.expires_at <= $5",
            tenant_id,
            key.key,
            key.fingerprint,
            message_id,
            now,
            now + span_us(key.lifetime),
        )
    )


async def _pass_on(tx: Transaction, tenant_id: str, keys: Sequence[Key], holder: str) -> None:
    for key in keys:
        await tx.execute(
            "update idempotency set message_id = $1 where tenant_id = $2 and key = $3",
            holder,
            tenant_id,
            key.key,
        )


async def guarded(reader: Reader, tenant_id: str, keys: Sequence[str]) -> set[str]:
    """Those of the guard keys that are taken."""
    found = set()
    for key in keys:
        row = await reader.fetch_one(
            "select key from idempotency where tenant_id = $1 and key = $2", tenant_id, f"guard:{key}"
        )
        if row is not None:
            found.add(key)
    return found


def guard(key: str) -> Key:
    """A key of our own, under which something of ours is done only once."""
    return Key(f"guard:{key}", "", GUARD_LIFETIME)


async def answered(reader: Reader, clock: Clock, tenant_id: str, key: str, fingerprint: str) -> str | None:
    """What was answered under this key within KEY_LIFETIME; None when nobody asked under it.

    Raises IdempotencyMismatch when something else was asked.
    """
    row = await reader.look_up(
        "select fingerprint, answer from idempotency where tenant_id = $1 and key = $2 and expires_at > $3",
        tenant_id,
        key,
        to_us(clock.now()),
    )
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyMismatch(f"key {key} was used for another request", ANOTHER_REQUEST)
    answer: str = row["answer"]
    return answer


async def keep_answer(
    tx: Transaction, clock: Clock, tenant_id: str, key: str, fingerprint: str, answer: str
) -> None:
    """Remember what is answered, for KEY_LIFETIME; what is remembered already stays."""
    now = to_us(clock.now())
    await tx.execute(
        "insert into idempotency (tenant_id, key, fingerprint, message_id, answer, created_at, expires_at)"
        " values ($1, $2, $3, null, $4, $5, $6)"
        " on conflict (tenant_id, key) do update set fingerprint = excluded.fingerprint,"
        " answer = excluded.answer, created_at = excluded.created_at, expires_at = excluded.expires_at"
        " where idempotency.expires_at <= $5",
        tenant_id,
        key,
        fingerprint,
        answer,
        now,
        now + span_us(KEY_LIFETIME),
    )


async def purge(tx: Transaction, now: int) -> None:
    """Forget keys whose time has run out."""
    await tx.execute("delete from idempotency where expires_at <= $1", now)


async def _holder(tx: Transaction, tenant_id: str, key: Key) -> str:
    row = await tx.fetch_one(
        "select fingerprint, message_id from idempotency where tenant_id = $1 and key = $2",
        tenant_id,
        key.key,
    )
    assert row is not None
    if row["fingerprint"] != key.fingerprint:
        raise IdempotencyMismatch(f"key {key.key} belongs to {row['message_id']}")
    holder: str = row["message_id"]
    return holder
