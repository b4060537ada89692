"""What the daemon and its delivery processes tell each other.

The daemon begins with a `Setup`, which is answered by `Ready`; then each `Task` is answered by one `Done`
or `Failed` of the same number, unless it was cancelled.
"""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import msgspec

from relay.address import NULL_PATH, Address, ReversePath
from relay.delivery.consignment import Consignment, SigningOrder
from relay.delivery.outcome import Outcome
from relay.delivery.parcel import ParcelRecipient
from relay.delivery.settings import DeliverySettings, Limits, Timeouts
from relay.delivery.smarthost import Smarthost
from relay.message.content import Body


class Frame(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One thing that is said."""


class Setup(Frame, frozen=True):
    """What a process works with until it ends: `DeliverySettings`, DNS, keys, how it logs.

    `lifetime` is that of a signature.
    """

    hostname: str
    port: int
    own_names: frozenset[str]
    own_addresses: tuple[str, ...]
    source_addresses: tuple[str, ...]
    smarthost: Smarthost | None
    allow_private_networks: bool
    timeouts: Timeouts
    limits: Limits
    nameservers: tuple[str, ...]
    dns_timeout: timedelta
    key_dir: str
    lifetime: timedelta
    log_format: Literal["text", "json"]
    log_level: str

    @property
    def settings(self) -> DeliverySettings:
        return DeliverySettings(
            hostname=self.hostname,
            port=self.port,
            own_names=self.own_names,
            own_addresses=frozenset(map(ip_address, self.own_addresses)),
            source_addresses=tuple(map(ip_address, self.source_addresses)),
            smarthost=self.smarthost,
            allow_private_networks=self.allow_private_networks,
            timeouts=self.timeouts,
            limits=self.limits,
        )


class Task(Frame, frozen=True):
    """Deliver this; `kept` is the task whose connection is to be gone on with."""

    number: int
    message_id: str
    destination: str
    reverse_path: Address | None
    recipients: tuple[ParcelRecipient, ...]
    header: bytes
    body: Body
    is_8bit: bool
    needs_utf8: bool
    ret: str | None
    envid: str | None
    signing: SigningOrder | None
    kept: int | None


class Cancel(Frame, frozen=True):
    """Break the task off; nobody waits for its answer."""

    number: int


class Leave(Frame, frozen=True):
    """The connection that was kept after this task is of no more use."""

    number: int


class LogAs(Frame, frozen=True):
    """From now on log so."""

    log_format: Literal["text", "json"]
    log_level: str


class Ready(Frame, frozen=True):
    """The process has understood its setup: what ends it from now on may be a message."""


class Done(Frame, frozen=True):
    """An outcome for each recipient; `is_kept`: the connection waits under the number of the task."""

    number: int
    outcomes: list[Outcome]
    is_kept: bool


class Failed(Frame, frozen=True):
    """A fault on our side; the log of the process says more."""

    number: int
    why: str


ToProcess = Setup | Task | Cancel | Leave | LogAs
FromProcess = Ready | Done | Failed


def task_of(number: int, consignment: Consignment, kept: int | None) -> Task:
    """The frame that hands `consignment` over."""
    path = consignment.reverse_path
    return Task(
        number=number,
        message_id=consignment.message_id,
        destination=consignment.destination,
        reverse_path=path if isinstance(path, Address) else None,
        recipients=consignment.recipients,
        header=consignment.header,
        body=consignment.body,
        is_8bit=consignment.is_8bit,
        needs_utf8=consignment.needs_utf8,
        ret=consignment.ret,
        envid=consignment.envid,
        signing=consignment.signing,
        kept=kept,
    )


def consignment_of(task: Task) -> Consignment:
    """What `task_of` was given."""
    path: ReversePath = NULL_PATH if task.reverse_path is None else task.reverse_path
    return Consignment(
        message_id=task.message_id,
        destination=task.destination,
        reverse_path=path,
        recipients=task.recipients,
        header=task.header,
        body=task.body,
        is_8bit=task.is_8bit,
        needs_utf8=task.needs_utf8,
        ret=task.ret,
        envid=task.envid,
        signing=task.signing,
    )


def _plain(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _special(kind: type, value: Any) -> Path:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)


encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
decode_for_process = msgspec.msgpack.Decoder[ToProcess](ToProcess, dec_hook=_special).decode
decode_from_process = msgspec.msgpack.Decoder[FromProcess](FromProcess, dec_hook=_special).decode
