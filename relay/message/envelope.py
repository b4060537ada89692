"""The envelope: what MAIL and RCPT said (RFC 5321 §2.3.1), with the DSN wishes of RFC 3461."""

from dataclasses import dataclass, field

from relay.address import Address, ReversePath


@dataclass(frozen=True, slots=True)
class EnvelopeRecipient:
    """One RCPT. `notify` and `orcpt` are kept exactly as submitted, or None when absent.

    `notify` is upper-cased: "NEVER" or a comma-separated subset of
    SUCCESS,FAILURE,DELAY; `orcpt` is `addr-type;xtext` (RFC 3461 §4.1, §4.2).
    """

    address: Address
    notify: str | None = None
    orcpt: str | None = None


@dataclass(slots=True)
class Envelope:
    """One mail transaction under way. `ret` is "FULL" or "HDRS"; `envid` is xtext as submitted."""

    reverse_path: ReversePath
    recipients: list[EnvelopeRecipient] = field(default_factory=list)
    declared_size: int | None = None
    is_8bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
