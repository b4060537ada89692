"""How a conversation with a far server ends before its time."""

from relay.delivery.outcome import Phase
from relay.errors import PosthouseError
from relay.replies import SmtpReply


class SessionBroken(PosthouseError):
    """The conversation cannot go on: refused, closed, too slow, or not SMTP.

    `reply` is the far server's where it gave one, else a 451 of our own.
    `ambiguous`: the final dot had been sent, the message may have arrived.
    `before`: the replies to the commands sent together with the one that got
    none. `in_doubt`: no proper end, but silence or an answer out of turn, so
    that a reply may have been lost or be one too many.
    """

    ambiguous = False
    in_doubt = False
    before: tuple[SmtpReply, ...] = ()

    def __init__(self, phase: Phase, reply: SmtpReply) -> None:
        super().__init__(f"{phase.value}: {reply}")
        self.phase = phase
        self.reply = reply


class HandshakeFailed(SessionBroken):
    """TLS could not be agreed on; in plain text it might work."""


class NotSmtp(PosthouseError):
    """The server said something that is no SMTP reply, or said it out of turn."""


def our_reply(enhanced: str, text: str) -> SmtpReply:
    """A temporary reply of our own making, for when the far side gave none that counts."""
    return SmtpReply.read(451, f"{enhanced} {text}")


def puzzled_by(reply: SmtpReply) -> SmtpReply:
    """Our reply in place of a positive one that came where it means nothing."""
    return our_reply("4.5.0", f"unexpected answer: {reply}")
