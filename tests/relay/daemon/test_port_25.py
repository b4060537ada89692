"""The MX of a running daemon keeps its configured limits."""

from tests.fakes.daemon import APPLICATION, MakeDaemon
from tests.relay.smtp_server.client import Client

MESSAGE = b"From: ann@far.example\r\n\r\nhello\r\n.\r\n"


async def test_who_speaks_first_is_turned_away(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"inbound.greeting_delay": "1h"})
    await daemon.start()
    async with await Client.open(daemon.ports["inbound"], first=b"EHLO x\r\n") as client:
        assert client.greeting.startswith("554 5.5.0 ")
    # Applications of ours may talk as they like.
    async with await Client.open(daemon.ports["submission"], first=b"EHLO x\r\n") as client:
        assert client.greeting.startswith("220 ")


async def test_an_address_may_do_so_much_in_a_minute(make_daemon: MakeDaemon) -> None:
    limits = {"limits.connections_per_minute": 2, "limits.messages_per_minute_per_ip": 1}
    daemon = await make_daemon({**limits, "inbound.greeting_delay": "0s"})
    await daemon.start()
    async with await Client.open(daemon.ports["inbound"]) as client:
        await client.start_mail(APPLICATION)
        assert (await client.data(MESSAGE)).startswith("250 2.0.0 ")
        assert (await client.say("MAIL FROM:<ann@far.example>")).startswith("451 4.7.1 ")
        second = await Client.open(daemon.ports["inbound"])
        third = await Client.open(daemon.ports["inbound"])
    async with second, third:
        assert second.greeting.startswith("220 ")
        assert third.greeting.startswith("421 4.7.0 ")


async def test_a_network_that_is_not_counted_has_no_limits(make_daemon: MakeDaemon) -> None:
    limits = {"limits.connections_per_minute": 1, "limits.messages_per_minute_per_ip": 1}
    daemon = await make_daemon(
        {**limits, "inbound.greeting_delay": "1h", "inbound.uncounted_networks": ["127.0.0.0/8"]}
    )
    await daemon.start()
    for _ in range(2):
        async with await Client.open(daemon.ports["inbound"]) as client:
            for _ in range(2):
                await client.start_mail(APPLICATION)
                assert (await client.data(MESSAGE)).startswith("250 2.0.0 ")
