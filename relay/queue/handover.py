"""Recipients that are due as they are written go to whoever delivers, without a look at the queue.

Who writes them asks for a hold, has them leased inside the transaction, and
begins when it is committed. What nobody has room for is written as queued,
and claimed like everything else.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from relay.queue.records import QueuedRecipient
from relay.spool.records import Message, StoredContent


class Hold(Protocol):
    """Room that is kept for the recipients of one message until it is plain whether they are committed."""

    def __enter__(self) -> "Hold": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what was not begun."""
        ...

    def lease(
        self, message: Message, content: StoredContent, recipients: Sequence[QueuedRecipient]
    ) -> Sequence[QueuedRecipient]:
        """The recipients as they are to be written: leased where there is room, else as they were.

        Asked again, because the transaction had to be run again, it forgets its first answer.
        """
        ...

    def begin(self) -> bool:
        """They are on disk: carry them. Returns whether any of them is left to be claimed."""
        ...


class Courier(Protocol):
    def hold(self) -> Hold:
        """Nothing is kept yet."""
        ...


class Handover:
    """Where those who accept find the one who delivers, if there is one in this process."""

    def __init__(self) -> None:
        self._courier: Courier | None = None

    def serve(self, courier: Courier) -> None:
        """From now on it is `courier` who is asked."""
        self._courier = courier

    def hold(self) -> Hold:
        return _Nobody() if self._courier is None else self._courier.hold()


class _Nobody:
    """Has room for none."""

    def __enter__(self) -> "_Nobody":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def lease(
        self, message: Message, content: StoredContent, recipients: Sequence[QueuedRecipient]
    ) -> Sequence[QueuedRecipient]:
        return recipients

    def begin(self) -> bool:
        return True
