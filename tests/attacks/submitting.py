"""Content that is handed in octet for octet by a login of ours."""

import base64

from tests.fakes.daemon import APPLICATION
from tests.flows.house import FAR, House
from tests.relay.smtp_server.client import Client


def plain(login: str, password: str, authzid: str = "") -> str:
    """The response of AUTH PLAIN."""
    return base64.b64encode(f"{authzid}\0{login}\0{password}".encode()).decode()


async def log_in(client: Client, login: str, password: str) -> str:
    """EHLO and AUTH; the answer."""
    await client.say("EHLO app.test")
    return await client.say(f"AUTH PLAIN {plain(login, password)}")


async def submit(house: House, content: bytes) -> str:
    """The answer to content that is sent octet for octet; what comes behind it must still be content."""
    async with await Client.open(house.submission.port) as client:
        assert (await log_in(client, APPLICATION, house.passwords[APPLICATION])).startswith("235 ")
        await client.say(f"MAIL FROM:<{APPLICATION}>")
        await client.say(f"RCPT TO:<ann@{FAR}>")
        reply = await client.data(content)
        assert (await client.say("VRFY x")).startswith("252 "), content
    return reply
