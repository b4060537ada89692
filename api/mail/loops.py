"""Programs that answer each other stop: what a program wrote gets no answer, a thread so many an hour.

The first is RFC 3834 §2; the second holds where both sides look like people.
"""

from datetime import timedelta

from inbound.letters import records
from inbound.letters.letter import Letter
from relay.clock import Clock, from_us, span_us, to_us
from relay.errors import PolicyRefusal
from relay.replies import SmtpReply
from relay.store.database import Reader

WINDOW = timedelta(hours=1)


class AutomaticMessage(PolicyRefusal):
    """A program wrote it, and nobody waits for an answer."""

    code = "automatic_message"

    def __init__(self, letter: Letter) -> None:
        signs = "; ".join(letter.evidence) or letter.kind
        told = f"A program wrote this message ({signs}); say allow_automatic to answer it all the same"
        super().__init__(f"{letter.message_id} is automatic", SmtpReply(554, "5.7.1", told[:400]))


class RepliesReached(PolicyRefusal):
    """The conversation has got as many messages from here as one may in an hour."""

    code = "reply_limit_reached"

    def __init__(self, letter: Letter, most: int, again_at: int) -> None:
        self.resets_at = from_us(again_at)
        told = f"{most} messages went out in this conversation within an hour, as many as one may"
        told += f"; more at {self.resets_at:%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(f"{letter.thread_id}: {told}", SmtpReply(451, "4.7.1", told))


def check_answerable(letter: Letter, *, forced: bool) -> None:
    """Raise AutomaticMessage for what a program wrote, unless the answer is forced."""
    if letter.direction == "in" and letter.automatic and not forced:
        raise AutomaticMessage(letter)


async def check_pace(reader: Reader, clock: Clock, letter: Letter, most: int) -> None:
    """Raise RepliesReached where its conversation has got `most` messages from us in the last hour."""
    since = to_us(clock.now()) - span_us(WINDOW)
    sent = await records.sent_in_thread(reader, letter.thread_id, since, most)
    if len(sent) >= most:
        raise RepliesReached(letter, most, sent[-1] + span_us(WINDOW))
