"""Messages that are written here: new ones, replies, replies to all, forwards."""

from msgspec.structs import replace

from api.call import Call
from api.mail import examples
from api.mail.answering import answer, forward
from api.mail.finding import letter_of
from api.mail.outgoing import new_message
from api.mail.parts import attachments_of
from api.mail.sending import HELD, send
from api.mail.shapes import MessageShape
from api.mail.wishes import NewForward, NewMessage, NewReply
from api.operations import Operation


async def send_message(call: Call, body: NewMessage) -> MessageShape:
    """The message, taken on and on disk."""
    mailbox = await call.mailbox(call.path["inbox"])
    return await send(call, new_message(call, mailbox, body))


async def reply_to_message(call: Call, body: NewReply) -> MessageShape:
    """The answer, in the conversation of the message."""
    return await _reply(call, body, everyone=False)


async def reply_to_all(call: Call, body: NewReply) -> MessageShape:
    """The answer to everybody whom the message names."""
    return await _reply(call, body, everyone=True)


async def forward_message(call: Call, body: NewForward) -> MessageShape:
    """The message, sent on to others."""
    mailbox = await call.mailbox(call.path["inbox"])
    letter = await letter_of(call, mailbox)
    outgoing = await forward(call, mailbox, letter, body)
    if body.include_attachments:
        files = await attachments_of(call.house, letter)
        outgoing = replace(outgoing, attachments=(*outgoing.attachments, *files))
    return await send(call, outgoing)


async def _reply(call: Call, body: NewReply, *, everyone: bool) -> MessageShape:
    mailbox = await call.mailbox(call.path["inbox"])
    letter = await letter_of(call, mailbox)
    return await send(call, await answer(call, mailbox, letter, body, everyone=everyone))


ERRORS = (
    *("not_found", "sender_not_allowed", "domain_not_verified", "recipient_not_allowed"),
    *("mailbox_cap_reached", "warmup_cap_reached", "no_mailbox_available", "quota_exceeded"),
    *("tenant_paused", "payload_too_large"),
    *("link_not_allowed", "attachment_not_allowed", "new_recipients_reached"),
    *("idempotency_mismatch", "not_accepting", "all_suppressed", "recipient_unsubscribed"),
)
REPLY_ERRORS = (*ERRORS, "automatic_message", "reply_limit_reached")
_NEW = {"to": ["bob@far.example"], "subject": "Your order", "text": "Shall we say Tuesday?"}
_REPLY = {"text": "Then Tuesday it is.", "quote": True}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/inboxes/{inbox}/messages",
        "messages:send",
        "Send a message",
        send_message,
        body=NewMessage,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        example=_NEW,
        answers=examples.SENT,
        errors=ERRORS,
        asks_itself=True,
        description="201 means that it is on disk, 202 that it waits there for somebody to approve it;"
        " `recipients` tell what became of it since.",
    ),
    Operation(
        "POST",
        "/v1/inboxes/{inbox}/messages/{message}/reply",
        "messages:send",
        "Answer a message",
        reply_to_message,
        body=NewReply,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        example=_REPLY,
        answers=examples.SENT,
        errors=REPLY_ERRORS,
        asks_itself=True,
    ),
    Operation(
        "POST",
        "/v1/inboxes/{inbox}/messages/{message}/reply-all",
        "messages:send",
        "Answer everybody",
        reply_to_all,
        body=NewReply,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        example=_REPLY,
        answers=examples.SENT,
        errors=REPLY_ERRORS,
        asks_itself=True,
    ),
    Operation(
        "POST",
        "/v1/inboxes/{inbox}/messages/{message}/forward",
        "messages:send",
        "Send a message on",
        forward_message,
        body=NewForward,
        answer=MessageShape,
        status=201,
        also=(HELD,),
        example={"to": ["carol@far.example"], "text": "For your information."},
        answers=examples.SENT,
        errors=REPLY_ERRORS,
        asks_itself=True,
    ),
)
