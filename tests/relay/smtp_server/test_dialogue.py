"""A session says what RFC 5321 says, in the order it allows, with an enhanced code each time."""

from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.recording_door import RecordingDoor


async def test_a_message_reaches_the_door_as_it_was_sent(client: Client, door: RecordingDoor) -> None:
    assert client.greeting == "220 mx.example.test ESMTP Posthouse"
    await client.start_mail("bob@example.test", "eve@example.test")
    reply = await client.data(b"Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n")
    assert reply == "250 2.0.0 queued as msg_test"
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    assert await client.is_closed()
    assert door.mail_bytes == [b"Subject: x\r\n\r\n.dot\r\nend\r\n"]
    assert [str(r.address) for r in door.taken[0].envelope.recipients] == [
        "bob@example.test",
        "eve@example.test",
    ]
