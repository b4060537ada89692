"""What was sent over the API and came to the far side, and a browser there: for tests of tracked mail."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from inbound.reading.parse import parse
from inbound.reading.parsed import Parsed
from relay.events import log
from relay.events.log import Event
from tests.api.client import Answer, Client
from tests.flows.house import FAR, OURS, House

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_HREF = re.compile(r"href=(?:\"([^\"]*)\"|'([^']*)')")


@dataclass(slots=True)
class Wire:
    """The house with its API, and whoever has the mail."""

    house: House
    live: Client

    async def ask(self, **wish: Any) -> Answer:
        """POST /v1/emails; `from_` is the field from."""
        document: dict[str, Any] = {"from": f"app@{OURS}", "to": f"ann@{FAR}", "subject": "News"}
        document |= {name.rstrip("_"): value for name, value in wish.items()}
        return await self.live.post("/v1/emails", document)

    async def send(self, **wish: Any) -> str:
        """The id of an email that came to the far side."""
        answer = await self.ask(**wish)
        assert answer.status == 201, answer.body
        await self.house.run_until_idle()
        found: str = answer.json["id"]
        return found

    def arrived(self) -> Parsed:
        """The newest message at the far side."""
        header, _, body = self.house.mx.received[-1].content.partition(b"\r\n\r\n")
        return parse(header + b"\r\n", body)

    def links(self) -> list[str]:
        """The links of its HTML, as a browser reads them."""
        return [
            html.unescape(double or single) for double, single in _HREF.findall(self.arrived().html or "")
        ]

    async def browse(self, method: str, address: str, body: bytes | None = None, **fields: str) -> Answer:
        """Ask for an address of ours as somebody far away does."""
        url = urlsplit(address)
        somebody = Client(self.live.app, address="203.0.113.9")
        query = f"?{url.query}" if url.query else ""
        headers = {"host": url.netloc, "user_agent": FIREFOX, **fields}
        return await somebody.request(method, url.path + query, None, body=body, **headers)

    async def events(self, message_id: str, kind: str) -> list[Event]:
        found = await log.of_message(self.house.station.db, message_id)
        return [event for event in found if event.kind == kind]

    async def settings(self, **changes: Any) -> Any:
        """Change what the domain tracks."""
        answer = await self.live.patch(f"/v1/domains/{OURS}", changes)
        assert answer.status == 200, answer.body
        return answer.json


def ours(links: Sequence[str]) -> list[str]:
    """Those that lead to a page of ours."""
    return [link for link in links if urlsplit(link).path.startswith("/t/")]
