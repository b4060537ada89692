"""Put into an email what its marks say, now that the message has an id: pure, and the same every time."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from api.mail.marks import Leaving, Marks
from api.mail.outgoing import Outgoing
from relay.tracking import leaving, places, tokens
from relay.tracking.destinations import destination_of, with_utm
from relay.tracking.footers import Footer, html_footer, text_footer
from relay.tracking.insertions import PLACEHOLDER, UNSUBSCRIBE_URL, before_the_end, pixel
from relay.tracking.leaving import Leave
from relay.tracking.links import replace_links
from relay.tracking.tokens import Token

_SHORT = 16_384  # characters


async def as_it_travels(outgoing: Outgoing, message_id: str, secret: bytes) -> Outgoing:
    """The email with what is put into it; what was written stays as it is in `outgoing`."""
    if outgoing.marks.are_none:
        return outgoing
    marking = _Marking(outgoing.marks, message_id, secret)
    if len(outgoing.html or "") > _SHORT:
        return await asyncio.to_thread(marking.of, outgoing)
    return marking.of(outgoing)


@dataclass(frozen=True, slots=True)
class _Marking:
    marks: Marks
    message_id: str
    secret: bytes

    def of(self, outgoing: Outgoing) -> Outgoing:
        leave = self._leave_url()
        html, text = outgoing.html, outgoing.text
        if html is not None:
            html = self._html(html, leave)
        if text is not None or html is None:
            text = self._text(text or "", leave)
        return replace(outgoing, html=html, text=text, headers=(*outgoing.headers, *self._fields(leave)))

    def _html(self, html: str, leave: str | None) -> str:
        if self.marks.clicks or self.marks.utm:
            html = replace_links(html, self._link())
        if footer := self.marks.footer:
            link = None if _says(leave, html, footer.in_html, footer.postal_address) else leave
            html = before_the_end(html, html_footer(self._reachable(footer, leave), link))
        html = _filled(html, leave)
        return before_the_end(html, pixel(self._url("open", places.OPEN, ""))) if self.marks.opens else html

    def _text(self, text: str, leave: str | None) -> str:
        if footer := self.marks.footer:
            link = None if _says(leave, text, footer.text, footer.postal_address) else leave
            text = text_footer(text, self._reachable(footer, leave), link)
        return _filled(text, leave)

    def _reachable(self, footer: Footer, leave: str | None) -> Footer:
        """A footer that names the page where there is none names the address for mail that says so."""
        instead = leave if leave is not None else UNSUBSCRIBE_URL
        parts = (footer.html, footer.text, footer.postal_address)
        return Footer(*(_filled(part, instead) for part in parts)) if footer.names_the_page else footer

    def _link(self) -> Callable[[str], str | None]:
        """What a link becomes; one that leads to us, or by which one leaves, stays as it is."""

        def instead(href: str) -> str | None:
            if PLACEHOLDER.search(href) or href.strip() in self.marks.untracked:
                return None
            destination = destination_of(href)
            if destination is None or destination.startswith(self.marks.base + places.PREFIX):
                return None
            leads_to = with_utm(destination, self.marks.utm)
            tracked = self._tracked(leads_to) if self.marks.clicks else None
            return tracked or (leads_to if leads_to != destination else None)

        return instead

    def _tracked(self, destination: str) -> str | None:
        """None for an address too long to stand in a token: it is followed without us."""
        try:
            return self._url("click", places.CLICK, destination)
        except ValueError:
            return None

    def _url(self, purpose: tokens.Purpose, place: str, text: str) -> str:
        said, host = Token(self.message_id, text), places.host_of(self.marks.base)
        return f"{self.marks.base}{place}{tokens.sign(said, self.secret, purpose, host)}"

    def _leave_url(self) -> str | None:
        who = self.marks.leaving
        if who is None:
            return None
        leave = Leave(who.tenant_id, self.message_id, who.address, who.stream, is_test=who.is_test)
        token = leaving.sign(leave, self.secret, places.host_of(self.marks.base))
        return f"{self.marks.base}{places.UNSUBSCRIBE}{token}"

    def _fields(self, leave: str | None) -> list[tuple[str, str]]:
        who = self.marks.leaving
        if who is None or not who.in_header:
            return []
        ways = [f"<{leave}>", *self._by_mail(who)]
        return [
            ("List-Unsubscribe", ", ".join(ways)),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ]

    def _by_mail(self, who: Leaving) -> list[str]:
        if who.mail_host is None:
            return []
        address = leaving.address_of(self.message_id, self.secret, who.mail_host)
        return [f"<mailto:{address}?subject=unsubscribe>"]


def _says(leave: str | None, *parts: str) -> bool:
    """Whether one of the parts leads to the page already."""
    return leave is None or any(PLACEHOLDER.search(part) for part in parts)


def _filled(text: str, leave: str | None) -> str:
    return PLACEHOLDER.sub(leave, text) if leave is not None else text
