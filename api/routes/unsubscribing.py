"""The page by which a recipient leaves: looking at it changes nothing, its button does (RFC 8058).

Scanners open every link, so a GET acts for nobody; mail programs and the
page's own form send a POST. The token names tenant, message, recipient and
stream, and works for as long as somebody keeps the mail.
"""

from api.call import Call
from api.operations import Octets, Operation, Reply
from api.pages import MEDIA_TYPE, page_of, words
from api.routes.tracking import host_asked
from inbound import unsubscribes
from relay.errors import NotFound
from relay.tracking import leaving, places
from relay.tracking.leaving import Leave

_LARGEST = 1 << 14  # octets of a form of which nothing is read


async def ask_to_unsubscribe(call: Call) -> Reply:
    """A page with one button."""
    leave = _leave(call)
    button = (
        '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
        '<button type="submit">Unsubscribe</button></form>'
    )
    return page_of("Unsubscribe", f"<p>Stop sending {_of(leave)} to {words(str(leave.address))}?</p>{button}")


async def unsubscribe(call: Call, _body: bytes) -> Reply:
    """From now on nothing of it is sent; the second time nothing changes."""
    leave = _leave(call)
    clock = call.house.clock
    await call.house.db.transact(lambda tx: unsubscribes.record_leaving(tx, clock, leave, "one-click"))
    call.house.watch.nudge()
    return page_of("Unsubscribed", f"<p>{words(str(leave.address))} gets {_of(leave)} no more.</p>")


def _of(leave: Leave) -> str:
    """What is left, as the page says it."""
    return "this sender’s mail" if leave.stream is None else f"“{words(leave.stream)}”"


def _leave(call: Call) -> Leave:
    """What our token in the path says; raises NotFound for what we did not sign for this host."""
    leave = leaving.verify(call.path["token"], call.house.station.link_secret, host_asked(call))
    if leave is None:
        raise NotFound("There is nothing at this path.")
    return leave


_EXAMPLE = "<!doctype html><title>Unsubscribe</title>"

OPERATIONS = (
    Operation(
        "GET",
        f"{places.UNSUBSCRIBE}{{token}}",
        None,
        "A page to unsubscribe at",
        ask_to_unsubscribe,
        media_type=MEDIA_TYPE,
        answers=_EXAMPLE,
        errors=("not_found",),
        any_query=True,
        description="For people; it changes nothing.",
    ),
    Operation(
        "POST",
        f"{places.UNSUBSCRIBE}{{token}}",
        None,
        "Unsubscribe with one click",
        unsubscribe,
        octets=Octets(limit=_LARGEST),
        example={"List-Unsubscribe": "One-Click"},
        media_type=MEDIA_TYPE,
        answers=_EXAMPLE,
        errors=("not_found",),
        any_query=True,
        description="As List-Unsubscribe-Post asks for it (RFC 8058); the body is not read.",
    ),
)
