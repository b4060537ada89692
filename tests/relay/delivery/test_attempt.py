"""One attempt against a far server that behaves, and what the wire then shows."""

from relay.delivery.outcome import Fate
from tests.fakes.far_mx import FarMx
from tests.relay.delivery.conftest import HEADER, Station, parcel, wire


async def test_a_message_is_delivered_with_its_bytes_as_they_are(station: Station, mx: FarMx) -> None:
    body = b".leading\r\n..two\r\n\r\n.\r\nend\r\n"
    (outcome,) = await station.send(parcel("ann@example.net", content=wire(body)))

    assert outcome.fate is Fate.DELIVERED
    assert (outcome.mx, outcome.ip, outcome.tls) == ("mx.example.net", "127.0.0.1", None)
    (message,) = mx.received
    assert message.content == HEADER + b"\r\n" + body
    assert (message.reverse_path, message.recipients) == ("me@example.com", ["ann@example.net"])
    assert message.helo == "relay.example.com"
