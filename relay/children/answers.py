"""What a child answers, and how lists of tasks and answers travel: MessagePack, length first."""

from typing import Literal, TypeAlias

import msgspec

LENGTH_OCTETS = 8
Reason: TypeAlias = Literal["time", "memory", "crash"]


class Absent(Exception):
    """What a task asks for is not there."""


class Answer(msgspec.Struct, frozen=True):
    """The encoded result, or why there is none; `is_grown` asks for a successor."""

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    fault: Literal["", "memory", "crash", "absent"] = ""
    is_grown: bool = False
