"""What travels on the socket of a far server: replies in, read strictly; commands and content out.

aiosmtplib's protocol, in which an answer that nobody asked for, or that is no
SMTP, ends the use of the connection (RFC 5321 §4.2).
"""

import asyncio

from aiosmtplib.errors import SMTPException
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from relay.delivery.breaks import NotSmtp
from relay.delivery.reply_reader import take_reply


class Garbled(SMTPException):
    """NotSmtp, as aiosmtplib passes it on."""


class ReplyReader(SMTPProtocol):
    """aiosmtplib's protocol with a strict reader of replies.

    What is no reply, or was not asked for, puts us `out_of_step` for good.
    """

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.out_of_step = False
        self.may_write = asyncio.Event()
        self.may_write.set()

    @property
    def has_answered(self) -> bool:
        """Whether a reply, or the end of the connection, waits to be read."""
        return self._response_waiter is None or self._response_waiter.done()

    def expect_reply(self) -> None:
        """From now on what arrives is an answer."""
        self._response_pending = True

    def pause_writing(self) -> None:
        super().pause_writing()
        self.may_write.clear()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.may_write.set()

    def data_received(self, data: bytes) -> None:
        waiter = self._response_waiter
        if waiter is None:
            return
        if not self._response_pending or waiter.done():
            self.out_of_step = True
            return
        self._buffer.extend(data)
        try:
            reply = take_reply(self._buffer)
        except NotSmtp as error:
            self.out_of_step = True
            del self._buffer[:]
            self._set_response_exception(waiter, Garbled(str(error)))
        else:
            if reply is None:
                return
            self.out_of_step = bool(self._buffer)
            del self._buffer[:]
            waiter.set_result(SMTPResponse(*reply))
        self.may_write.set()  # whoever is sending content should look at the answer
