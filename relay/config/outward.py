"""Keys of what goes out: mail and how much of it, questions to the DNS, posts to webhooks."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from relay.config.keys import Key
from relay.config.kinds import (
    DAY,
    HOUR,
    MINUTE,
    Count,
    Directory,
    Duration,
    Durations,
    IpAddresses,
    Nameservers,
    Port,
    Rate,
    Section,
    Smarthost,
    Zone,
)
from relay.config.values import IpAddress, SecretUrl
from relay.config.warmup import PLANS, WarmupPlan

_RETRY_SCHEDULE = (
    *(5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE),
    *(1 * HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 8 * HOUR),
    *(8 * (12 * HOUR,)),
)


class DnsConfig(Section, frozen=True):
    """Who answers our questions about exchangers and keys."""

    nameservers: Annotated[Nameservers, Key('"ip" or "ip:port"; empty: the system\'s')] = ()
    timeout: Annotated[Duration, Key("How long one question may take in all")] = timedelta(seconds=5)


class DestinationLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one destination is asked to bear; 0 is no limit of its own."""

    connections: Annotated[int, Meta(ge=0)] = 0
    messages_per_minute: Annotated[int, Meta(ge=0)] = 0


class DeliveryConfig(Section, frozen=True):
    """How mail leaves."""

    port: Annotated[Port, Key("The port of far exchangers; another one only for tests")] = 25
    source_addresses: Annotated[
        IpAddresses, Key("Local addresses to send from; empty: the system's choice")
    ] = ()
    smarthost: Annotated[
        Smarthost,
        Key('Send everything through "host:port" or "smtp://user:password@host:port"; empty: by MX'),
    ] = SecretUrl("")
    allow_private_networks: Annotated[
        bool, Key("Whether an MX may lie in a private network; a smarthost always may")
    ] = False
    max_connections: Annotated[Count, Key("Outgoing connections at once, all destinations together")] = 200
    max_connections_per_destination: Annotated[
        Count, Key("At once to one destination, after a slow start")
    ] = 10
    processes: Annotated[
        Annotated[int, Meta(ge=0, le=64)],
        Key("Processes that sign and deliver beside the daemon; 0: it does so itself, on fewer megabytes"),
    ] = 1
    lease: Annotated[Duration, Key("How long an attempt owns its recipients; a dead worker's come back")] = (
        30 * MINUTE
    )
    destinations: Annotated[
        dict[str, DestinationLimits],
        Key("By domain: `connections` at once and `messages_per_minute`, of all nodes together"),
    ] = field(default_factory=dict)
    site_lease: Annotated[
        Duration,
        Key("For how long one node alone serves a destination; their clocks differ by less"),
    ] = 10 * MINUTE
    retry_schedule: Annotated[
        Durations, Key("Waits between attempts, a tenth of jitter added; the last one repeats")
    ] = _RETRY_SCHEDULE
    expire_after: Annotated[Duration, Key("Counted from release; then the sender gets a failure notice")] = (
        5 * DAY
    )
    delay_notice_after: Annotated[Duration, Key("When the sender is told that mail still waits")] = 4 * HOUR

    @property
    def public_sources(self) -> tuple[IpAddress, ...]:
        """Those of `source_addresses` that the world sees, for SPF; behind NAT there may be none."""
        return tuple(ip for ip in self.source_addresses if ip.is_global)


class DkimConfig(Section, frozen=True):
    """Signatures."""

    key_dir: Annotated[Directory, Key("<domain>/<selector>.pem, 0600 in directories of 0700")] = Path(
        "dkim_keys"
    )


class PolicyConfig(Section, frozen=True):
    """How much may be sent, and what happens at the limit."""

    default_daily_cap: Annotated[
        int, Meta(ge=0), Key("Recipients a day for a mailbox without its own cap")
    ] = 75
    cap_timezone: Annotated[Zone, Key("Whose midnight begins a new day of allowance")] = ZoneInfo("UTC")
    on_cap: Annotated[
        Literal["refuse", "defer", "rotate"],
        Key("At the cap: say no, wait for a free day, or use another mailbox of the pool"),
    ] = "refuse"
    defer_horizon: Annotated[
        Duration, Key("How far ahead a free day is looked for before the answer is no")
    ] = 7 * DAY
    approvals_expire_after: Annotated[
        Duration, Key("How long mail that guards hold waits for somebody to approve it, then it is canceled")
    ] = 7 * DAY
    warn_bounce_rate: Annotated[
        Rate, Key("Above this share of bounces in seven days a mailbox is warned of, and grows no more")
    ] = 0.05
    warn_complaint_rate: Annotated[Rate, Key("The same for complaints, of what was delivered")] = 0.001
    pause_bounce_rate: Annotated[
        Rate, Key("Above this share of bounces a mailbox sends no more until a person resumes it; 0: never")
    ] = 0.0
    pause_complaint_rate: Annotated[Rate, Key("The same for complaints; 0: never")] = 0.0
    rate_minimum: Annotated[Count, Key("Recipients in seven days before a mailbox's rates are judged")] = 100
    warmup: Annotated[
        dict[str, WarmupPlan],
        Key(
            "By name: a `table` of caps, or `start` times `factor` a sending day to `ceiling`; on `weekdays`"
        ),
    ] = field(default_factory=PLANS.copy)


class WebhooksConfig(Section, frozen=True):
    """How events are posted to your own endpoints."""

    allow_private_networks: Annotated[bool, Key("Whether an endpoint may lie in a private network")] = False
    timeout: Annotated[Duration, Key("How long an endpoint may take to answer, in all")] = timedelta(
        seconds=10
    )
    endpoints_per_tenant: Annotated[Count, Key("More are refused")] = 20
