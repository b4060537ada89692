"""A client that says exactly the octets it is told to, and hears replies whole."""

import asyncio
import ssl
from types import TracebackType


class Client:
    """An open connection to a listener; the greeting has been read unless `greeted=False`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting = ""

    @classmethod
    async def open(
        cls,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        first: bytes = b"",
        greeted: bool = True,
        source: str = "127.0.0.1",
    ) -> "Client":
        name = "localhost" if tls else None
        client = cls(
            *await asyncio.open_connection(
                "127.0.0.1", port, ssl=tls, server_hostname=name, local_addr=(source, 0)
            )
        )
        if first:
            client.send(first)
        if greeted:
            client.greeting = await client.hear()
        return client

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def hear(self) -> str:
        """One reply, its lines joined by a line feed; empty when the server has closed."""
        lines = []
        while line := await self.reader.readline():
            lines.append(line.decode("ascii").removesuffix("\r\n"))
            assert line.endswith(b"\r\n"), line
            if line[3:4] != b"-":
                break
        return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        """One command with CRLF, and its reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return await self.hear()

    async def hear_all(self) -> list[str]:
        """Every reply up to the end of the connection."""
        replies = []
        try:
            while reply := await self.hear():
                replies.append(reply)
        except OSError:
            pass
        return replies

    async def is_closed(self) -> bool:
        """Waits until the server closes, and tells whether it had nothing more to say."""
        try:
            return await self.reader.read() == b""
        except OSError:
            return True

    async def hello(self) -> str:
        return await self.say("EHLO client.example")

    async def start_mail(self, *recipients: str, parameters: str = "") -> None:
        """EHLO, MAIL and one RCPT for each recipient (default: bob@example.test)."""
        await self.hello()
        assert (await self.say(f"MAIL FROM:<ann@example.test>{parameters}")).startswith("250 2.1.0")
        for recipient in recipients or ("bob@example.test",):
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250 2.1.5")

    async def data(self, octets: bytes) -> str:
        """DATA, these octets as they are (the final dot is the caller's), and the reply."""
        assert (await self.say("DATA")).startswith("354 ")
        self.send(octets)
        return await self.hear()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Speak on under TLS, after 220."""
        await self.writer.start_tls(context, server_hostname="localhost")
