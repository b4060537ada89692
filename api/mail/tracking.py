"""Decide what is put into an email: what its domain tracks, what it asks for, how its recipient leaves."""

import re

from msgspec.structs import replace

from api.call import Call
from api.mail.marks import Leaving, Marks, Tracked, stream_of, utm_of
from api.mail.outgoing import Outgoing
from api.problems import invalid
from relay.address import parse_address
from relay.tenants import bounce_address
from relay.tenants.domains import Domain, Tracking
from relay.tracking.insertions import PLACEHOLDER, UNSUBSCRIBE_URL, has_placeholder
from relay.tracking.places import base_of

_LIST_URL = re.compile(r"<\s*(https?://[^<>]+?)\s*>", re.IGNORECASE)
_OURS = frozenset({"list-unsubscribe", "list-unsubscribe-post"})


async def with_marks(call: Call, outgoing: Outgoing, wish: Tracked) -> Outgoing:
    """The email with its stream, and with what is put into it; raises Problem (422)."""
    stream = stream_of(wish)
    sender = parse_address(outgoing.sender.address)
    domain = await call.house.directory.domain(sender.domain)
    if domain is not None and domain.tenant_id != call.tenant_id:
        domain = None
    marks = replace(
        _tracking(call, outgoing, domain, wish),
        leaving=_leaving(call, outgoing, wish, domain, stream),
        footer=outgoing.marks.footer,
        own_footer=outgoing.marks.own_footer,
        untracked=_own_unsubscribe(outgoing),
    )
    wishes = outgoing.wishes if stream is None else replace(outgoing.wishes, stream=stream)
    outgoing = replace(outgoing, marks=marks, wishes=wishes)
    if marks.leaving is None and wish.unsubscribe is None and len(_people(outgoing)) > 1:
        return _left_by_mail(outgoing)
    return outgoing


def _tracking(call: Call, outgoing: Outgoing, domain: Domain | None, wish: Tracked) -> Marks:
    """As the email says, else as the domain's settings say; a base that is there already stays."""
    settings = domain.tracking if domain else Tracking()
    return Marks(
        base=outgoing.marks.base or base_of(call.house.config.api.public_url, settings.usable_host),
        opens=settings.opens if wish.track_opens is None else wish.track_opens,
        clicks=settings.clicks if wish.track_clicks is None else wish.track_clicks,
        utm=utm_of(wish),
    )


def _leaving(
    call: Call, outgoing: Outgoing, wish: Tracked, domain: Domain | None, stream: str | None
) -> Leaving | None:
    """Who may leave; a mail that names the address of the page asks for it, unless told otherwise."""
    path = _asked_at(outgoing, wish)
    if path is None:
        return None
    people = _people(outgoing)
    if len(people) != 1 and wish.unsubscribe is None:
        return None
    if len(people) != 1:
        why = "needs one recipient, who is the one that leaves; a batch gives each recipient a message"
        raise invalid(path, why)
    return Leaving(
        tenant_id=outgoing.mailbox.tenant_id,
        address=parse_address(people.pop()),
        stream=stream,
        mail_host=_mail_host(domain),
        in_header=not any(name.lower() in _OURS for name, _ in outgoing.headers),
        is_test=call.caller.mode == "test",
    )


def _asked_at(outgoing: Outgoing, wish: Tracked) -> str | None:
    """The field that asks for it; None where nothing does."""
    if wish.unsubscribe is not None:
        return "$.unsubscribe" if wish.unsubscribe is not False else None
    texts = (("$.html", outgoing.html), ("$.text", outgoing.text))
    said = next((path for path, text in texts if text and has_placeholder(text)), None)
    return said or ("$.footer" if outgoing.marks.footer.names_the_page else None)


def _left_by_mail(outgoing: Outgoing) -> Outgoing:
    """What several share names no page of one of them: whoever answers so by mail is the one that leaves."""
    html, text = outgoing.html, outgoing.text
    return replace(
        outgoing,
        html=html and PLACEHOLDER.sub(UNSUBSCRIBE_URL, html),
        text=text and PLACEHOLDER.sub(UNSUBSCRIBE_URL, text),
    )


def _people(outgoing: Outgoing) -> set[str]:
    return {person.address for person in (*outgoing.to, *outgoing.cc, *outgoing.bcc)}


def _mail_host(domain: Domain | None) -> str | None:
    """Where mail to leave arrives, as far as that is known."""
    if domain is None or domain.bounces_verified_at is None:
        return domain.name if domain is not None and domain.receives_at is not None else None
    return f"{bounce_address.HOST}{domain.name}"


def _own_unsubscribe(outgoing: Outgoing) -> frozenset[str]:
    """Where the caller's own List-Unsubscribe leads: who leaves there has not clicked."""
    fields = (value for name, value in outgoing.headers if name.lower() == "list-unsubscribe")
    return frozenset(address for value in fields for address in _LIST_URL.findall(value))
