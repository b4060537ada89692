"""What stands behind the links and the image of tracked mail: recorded, and led on to where we signed.

A token proves all that is said here, so nothing is looked up before the
answer. Whatever is not ours is 404, at another host as well.
"""

import base64
import html
import logging
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from api.call import Call
from api.operations import Operation, Reply
from api.pages import MEDIA_TYPE
from relay.clock import to_us
from relay.errors import NotFound, StoreUnavailable
from relay.queue import records as queue
from relay.queue.records import QueuedRecipient
from relay.queue.state import State
from relay.spool import records as spool
from relay.tracking import places, records, tokens
from relay.tracking.machines import machine_of
from relay.tracking.records import Sighting
from relay.tracking.tokens import Purpose, Token

logger = logging.getLogger("posthouse.tracking")

GIF = "image/gif"
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_UNSEEN = {"X-Robots-Tag": "noindex, nofollow"}
_LONGEST_AGENT = 500


async def follow_link(call: Call) -> Reply:
    """302 to the address in the token, and `message.clicked`."""
    token = _token(call, "click")
    await _record(call, token, token.text)
    shown = html.escape(token.text)
    body = f'<!doctype html><title>Moved</title><p><a href="{shown}">{shown}</a></p>'.encode()
    return Reply(body, headers={"Location": token.text, **_UNSEEN}, media_type=MEDIA_TYPE)


async def load_pixel(call: Call) -> Reply:
    """An image of one transparent point, and `message.opened`."""
    token = _token(call, "open")
    await _record(call, token, None)
    return Reply(_PIXEL, headers=_UNSEEN, media_type=GIF)


def host_asked(call: Call) -> str:
    """The name under which we are asked, as tokens are made for it."""
    try:
        return (urlsplit(f"//{call.headers.get('host', '')}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _token(call: Call, purpose: Purpose) -> Token:
    """What our token in the path says; raises NotFound for what we did not sign for this host."""
    secret = call.house.station.link_secret
    token = tokens.verify(call.path["token"], secret, purpose, host_asked(call))
    if token is None:
        raise NotFound("There is nothing at this path.")
    return token


async def _record(call: Call, token: Token, link: str | None) -> None:
    """Write it down; whoever follows a link comes through also when nothing can be written."""
    try:
        seen = await _sighting(call, token, link)
        if seen is not None and await records.record(call.house.db, call.house.clock, seen):
            call.house.watch.nudge()
    except StoreUnavailable as trouble:
        logger.warning("not recorded for %s: %s", token.message_id, trouble)


async def _sighting(call: Call, token: Token, link: str | None) -> Sighting | None:
    """None for a message that is forgotten."""
    message = await spool.find(call.house.db, token.message_id)
    if message is None:
        return None
    rows = await queue.of_message(call.house.db, message.id)
    only = rows[0] if len(rows) == 1 else None
    since = _since_delivery(rows, to_us(call.house.clock.now()))
    return Sighting(
        tenant_id=message.tenant_id,
        mailbox_id=message.mailbox_id,
        message_id=message.id,
        recipient_id=only.id if only else None,
        recipient=str(only.address) if only else None,
        link=link,
        machine=machine_of(call.method, call.headers, since, is_click=link is not None),
        user_agent=_printable(call.headers.get("user-agent", "")),
        address=str(call.client) if call.client else None,
        is_test=message.is_test,
    )


def _since_delivery(rows: Sequence[QueuedRecipient], now: int) -> timedelta | None:
    """How long somebody has had it; None while nobody has. What bounced late was delivered before."""
    had = [row.settled_at for row in rows if row.settled_at and row.state in (State.DELIVERED, State.BOUNCED)]
    return timedelta(microseconds=now - min(had)) if had else None


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)[:_LONGEST_AGENT]


OPERATIONS = (
    Operation(
        "GET",
        f"{places.CLICK}{{token}}",
        None,
        "Follow a tracked link",
        follow_link,
        status=302,
        media_type=MEDIA_TYPE,
        answers='<!doctype html><title>Moved</title><p><a href="https://shop.example/">…</a></p>',
        errors=("not_found",),
        any_query=True,
        description="Leads to the address that we signed into the token; any other token is 404.",
    ),
    Operation(
        "GET",
        f"{places.OPEN}{{token}}",
        None,
        "Load the image of a tracked mail",
        load_pixel,
        media_type=GIF,
        answers="GIF89a",
        errors=("not_found",),
        any_query=True,
    ),
)
