"""A draft that has passed every rule which needs no transaction, with the facts that will be written."""

from datetime import datetime

from msgspec import Struct

from relay.address import Address
from relay.clock import Clock, to_us
from relay.ids import new_id
from relay.message.headers import Header, decode_words, new_message_id
from relay.message.trace import received_field
from relay.spool.records import Message, StoredContent
from relay.submission import repeats
from relay.submission.control_fields import Wishes, without_control_fields
from relay.submission.draft import Draft
from relay.tenants import reply_address

SUBJECT_KEPT = 500


class Offer(Struct, frozen=True):
    """What the transaction will write, unless the budget, suppression or a repeat changes it.

    `message` is as it will be if it is released now and its own mailbox pays.
    """

    draft: Draft
    wishes: Wishes
    message: Message
    content: StoredContent
    local: frozenset[Address]
    keys: tuple[repeats.Key, ...]


def make_offer(
    draft: Draft,
    header: Header,
    wishes: Wishes,
    *,
    signing_domain: str | None,
    local: frozenset[Address],
    hostname: str,
    clock: Clock,
    reply_secret: bytes | None = None,
) -> Offer:
    """Name the message and settle its header: Received on top, Message-ID if it had none, Bcc gone.

    With `reply_secret`, a header without Reply-To gets the mailbox's reply
    address, signed for this message.
    """
    now, id_ = clock.now(), draft.id or new_id("msg", clock)
    own_id = header.first("message-id")
    message_id = new_message_id(signing_domain or hostname, clock) if own_id is None else own_id
    recipients = draft.envelope.recipients
    only = recipients[0].address if len(recipients) == 1 else None
    trace = received_field(draft.origin, hostname, id_, now, only)
    if own_id is None:
        trace += f"Message-ID: {message_id}\r\n".encode()
    if reply_secret and draft.mailbox and header.first("reply-to") is None:
        address = reply_address.encode(id_, reply_secret, draft.mailbox.address)
        trace += f"Reply-To: {address}\r\n".encode()
    kept = trace + bytes(without_control_fields(header))
    message = _facts(
        id_,
        draft,
        header,
        wishes,
        now,
        message_id=message_id,
        signing_domain=signing_domain,
        size=len(kept) + 2 + draft.content.body.size,
    )
    return Offer(
        draft=draft,
        wishes=wishes,
        message=message,
        content=StoredContent(kept, None, None),
        local=local,
        keys=_keys(draft, wishes, own_id, message.subject),
    )


def _facts(
    id_: str,
    draft: Draft,
    header: Header,
    wishes: Wishes,
    now: datetime,
    *,
    message_id: str,
    signing_domain: str | None,
    size: int,
) -> Message:
    envelope, content = draft.envelope, draft.content
    return Message(
        id=id_,
        tenant_id=draft.tenant_id,
        mailbox_id=draft.mailbox.id if draft.mailbox else None,
        direction="out",
        source=draft.origin.source,
        reverse_path=envelope.reverse_path,
        header_from=header.first("from") or "",
        subject=decode_words(header.first("subject") or "")[:SUBJECT_KEPT],
        message_id=message_id,
        signing_domain=signing_domain,
        size=size,
        body_size=content.body.size,
        created_at=to_us(now),
        credential=draft.origin.login,
        body_hash=content.body_hash,
        is_8bit=content.is_8bit,
        needs_utf8=(envelope.smtputf8 and content.has_8bit_header) or _needs_utf8(draft),
        lacks_date=header.first("date") is None,
        ret=envelope.ret,
        envid=envelope.envid,
        tags=wishes.tags,
        metadata=wishes.metadata,
        pool=wishes.pool,
        send_at=to_us(wishes.send_at) if wishes.send_at else None,
        released_at=to_us(now),
        is_test=draft.is_test,
        stream=wishes.stream,
        batch_id=wishes.batch_id,
        template_id=wishes.template_id,
        brand_id=wishes.brand_id,
    )


def _keys(draft: Draft, wishes: Wishes, own_id: str | None, subject: str) -> tuple[repeats.Key, ...]:
    keys = [repeats.guard(key) for key in draft.guards]
    if wishes.idempotency_key:
        owner = draft.mailbox.id if draft.mailbox else ""
        keys.append(repeats.chosen_key(owner, wishes.idempotency_key, draft.envelope, subject, draft.content))
    # A door that names the message writes its Message-ID too: no client has seen that before.
    if draft.mailbox is not None and draft.id is None:
        credential = draft.origin.login or draft.mailbox.id
        again = repeats.key_of_resubmission(credential, draft.envelope, own_id, draft.content)
        keys += [again] if again else []
    return tuple(keys)


def _needs_utf8(draft: Draft) -> bool:
    reverse_path = draft.envelope.reverse_path
    return isinstance(reverse_path, Address) and reverse_path.needs_utf8
