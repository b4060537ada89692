"""Every key of config.toml: its type, its default and why it exists.

This is the only list of settings. A new key is a new line here; then
`python -m relay.config toml > config.toml` and `… docs > docs/configuration.md`.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from relay.config import values
from relay.config.keys import Key, Kind, write_secret
from relay.config.values import InheritedListener, IpAddress, Listener, Network, Secret, SecretUrl
from relay.config.warmup import PLANS, WarmupPlan

Duration: TypeAlias = Annotated[timedelta, Kind("a duration", values.read_duration, values.write_duration)]
Size: TypeAlias = Annotated[int, Kind("a size", values.read_size, values.write_size)]
Hostname: TypeAlias = Annotated[str, Kind("a host name", values.read_hostname)]
Directory: TypeAlias = Annotated[Path, Kind("a path", values.read_path)]
OptionalFile: TypeAlias = Annotated[
    Path | None, Kind("a path", values.read_optional_path, values.write_optional_path)
]
OptionalAddress: TypeAlias = Annotated[str, Kind("an address", values.read_optional_address)]
Zone: TypeAlias = Annotated[ZoneInfo, Kind("a time zone", values.read_zone)]
Hostnames: TypeAlias = Annotated[tuple[str, ...], Kind("a host name", values.read_hostname)]
OptionalUrl: TypeAlias = Annotated[str, Kind("a URL", values.read_optional_url)]
OptionalSocket: TypeAlias = Annotated[str, Kind("a socket", values.read_optional_socket)]
PublicUrl: TypeAlias = Annotated[str, Kind("a URL", values.read_public_url)]
StoreUrl: TypeAlias = Annotated[SecretUrl, Kind("a URL", values.read_store_url, write_secret)]
Bucket: TypeAlias = Annotated[str, Kind("a bucket", values.read_bucket)]
SecretKey: TypeAlias = Annotated[Secret, Kind("a key", Secret, write_secret)]
Smarthost: TypeAlias = Annotated[SecretUrl, Kind("a URL", SecretUrl, write_secret)]
Listeners: TypeAlias = Annotated[
    tuple[Listener | InheritedListener, ...], Kind("a listener", values.read_listener)
]
Networks: TypeAlias = Annotated[tuple[Network, ...], Kind("a network", values.read_network)]
IpAddresses: TypeAlias = Annotated[tuple[IpAddress, ...], Kind("an IP address", values.read_ip)]
Nameservers: TypeAlias = Annotated[tuple[str, ...], Kind("an address", values.read_nameserver)]
Durations: TypeAlias = Annotated[
    tuple[timedelta, ...], Kind("a duration", values.read_duration, values.write_duration)
]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1)]

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_RETRY_SCHEDULE = (
    *(5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
    *(1 * _HOUR, 2 * _HOUR, 4 * _HOUR, 6 * _HOUR, 8 * _HOUR),
    *(8 * (12 * _HOUR,)),
)


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that belong together; a subclass's docstring is the heading's explanation."""


class ServerConfig(Section, frozen=True):
    """Who this server is, and where it keeps its data."""

    hostname: Annotated[Hostname, Key("The name it gives in greetings, EHLO and trace fields")] = "localhost"
    data_dir: Annotated[Directory, Key("Store, message bodies, control socket")] = Path("data")
    drain_timeout: Annotated[Duration, Key("How long a stop waits for mail that is being transferred")] = (
        timedelta(seconds=30)
    )


class StoreConfig(Section, frozen=True):
    """Where accepted mail is durable."""

    url: Annotated[StoreUrl, Key("SQLite below data_dir, or postgresql://user@host/database")] = SecretUrl(
        "sqlite:///posthouse.db"
    )
    min_free: Annotated[
        Size, Key("Below this much free disk nothing new is accepted; the queue drains on")
    ] = 256 * _MIB
    bodies: Annotated[
        Bucket,
        Key('Large bodies in S3-compatible storage: "s3://bucket/prefix"; empty: beside the store, or in it'),
    ] = ""
    bodies_endpoint: Annotated[OptionalUrl, Key("The server of that bucket, where it is not Amazon's")] = ""
    bodies_region: Annotated[str, Key("The bucket's region, which is a part of each signature")] = "us-east-1"
    bodies_access_key: Annotated[
        str, Key("Who asks; empty: as AWS_ACCESS_KEY_ID or the machine's own role say")
    ] = ""
    bodies_secret_key: Annotated[SecretKey, Key("The key of that name")] = Secret("")


class SubmissionConfig(Section, frozen=True):
    """Where our own applications and people hand in mail (RFC 6409)."""

    listen: Annotated[Listeners, Key("STARTTLS ports; production: 587")] = (Listener("127.0.0.1", 2587),)
    listen_tls: Annotated[Listeners, Key("Implicit TLS ports; production: 465 (RFC 8314)")] = ()
    trusted_networks: Annotated[
        Networks, Key("May submit without AUTH; the sender address names the mailbox whose cap applies")
    ] = ()
    allow_plaintext_auth_from: Annotated[
        Networks, Key("May send passwords without TLS: for printers on a network that you trust")
    ] = ()


class InboundConfig(Section, frozen=True):
    """Where the world delivers mail to us."""

    listen: Annotated[Listeners, Key("MX ports; production: 25")] = (Listener("127.0.0.1", 2525),)
    proxy_protocol_from: Annotated[Networks, Key("Load balancers whose PROXY header is believed")] = ()
    uncounted_networks: Annotated[
        Networks,
        Key("Whose connections and mail are not limited at the MX: a backup MX or list host of yours"),
    ] = ()
    greeting_delay: Annotated[
        Duration, Key("Who speaks within this time, before the greeting, is no mail server and turned away")
    ] = timedelta(milliseconds=500)
    on_auth_failure: Annotated[
        Literal["mark", "quarantine", "reject"],
        Key("What becomes of mail that fails DMARC where its author's domain asks for more than marking"),
    ] = "mark"
    dnsbl: Annotated[
        Hostnames, Key("DNS block lists (RFC 5782) that are asked about clients: zones, in your order")
    ] = ()
    on_dnsbl: Annotated[
        Literal["mark", "reject"], Key("What becomes of mail from a listed client; postmaster hears them all")
    ] = "mark"
    rspamd_url: Annotated[
        OptionalUrl, Key('The normal worker of an rspamd, "http://127.0.0.1:11333"; empty: nobody is asked')
    ] = ""
    on_spam: Annotated[
        Literal["mark", "quarantine", "reject"], Key("What becomes of mail that the spam filter calls spam")
    ] = "mark"
    postmaster: Annotated[
        OptionalAddress, Key("The mailbox that takes postmaster and abuse mail; empty: the first one")
    ] = ""


class ApiConfig(Section, frozen=True):
    """The HTTP door: API, health, metrics, dashboard."""

    listen: Annotated[Listeners, Key("Plain HTTP; put a TLS proxy before it to publish it")] = (
        Listener("127.0.0.1", 8025),
    )
    public_url: Annotated[
        PublicUrl, Key("How people reach it: for links, and the name it may be asked under")
    ] = "http://127.0.0.1:8025"
    trusted_proxies: Annotated[Networks, Key("Whose X-Forwarded-For is believed")] = ()
    cors_origins: Annotated[tuple[str, ...], Key("Web origins whose scripts may call the API")] = ()


class TlsConfig(Section, frozen=True):
    """The certificate of every SMTP door; both files are read again on reload."""

    certificate: Annotated[
        OptionalFile, Key("PEM with the whole chain; empty: STARTTLS is not offered", reload=True)
    ] = None
    private_key: Annotated[OptionalFile, Key("PEM, readable by this service alone", reload=True)] = None


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
        30 * _MINUTE
    )
    destinations: Annotated[
        dict[str, DestinationLimits],
        Key("By domain: `connections` at once and `messages_per_minute`, of all nodes together"),
    ] = field(default_factory=dict)
    site_lease: Annotated[
        Duration,
        Key("For how long one node alone serves a destination; their clocks differ by less"),
    ] = 10 * _MINUTE
    retry_schedule: Annotated[
        Durations, Key("Waits between attempts, a tenth of jitter added; the last one repeats")
    ] = _RETRY_SCHEDULE
    expire_after: Annotated[Duration, Key("Counted from release; then the sender gets a failure notice")] = (
        5 * _DAY
    )
    delay_notice_after: Annotated[Duration, Key("When the sender is told that mail still waits")] = 4 * _HOUR

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
    ] = 7 * _DAY
    approvals_expire_after: Annotated[
        Duration, Key("How long mail that guards hold waits for somebody to approve it, then it is canceled")
    ] = 7 * _DAY
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


class RetentionConfig(Section, frozen=True):
    """How long what is finished is kept; queued mail is never purged."""

    content: Annotated[Duration, Key("Bodies of sent mail")] = 90 * _DAY
    events: Annotated[Duration, Key("What happened to each message, then the message's facts too")] = (
        365 * _DAY
    )
    raw_inbound: Annotated[Duration, Key("Received mail as it arrived")] = 90 * _DAY
    hourly_figures: Annotated[Duration, Key("What /v1/analytics tells by the hour")] = 90 * _DAY
    daily_figures: Annotated[Duration, Key("What it tells by the day")] = 1095 * _DAY


class WebhooksConfig(Section, frozen=True):
    """How events are posted to your own endpoints."""

    allow_private_networks: Annotated[bool, Key("Whether an endpoint may lie in a private network")] = False
    timeout: Annotated[Duration, Key("How long an endpoint may take to answer, in all")] = timedelta(
        seconds=10
    )
    endpoints_per_tenant: Annotated[Count, Key("More are refused")] = 20


class LogConfig(Section, frozen=True):
    """What is told on standard error: ids and decisions, never bodies or secrets."""

    format: Annotated[Literal["text", "json"], Key("Lines for people, or for a collector", reload=True)] = (
        "text"
    )
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Key("The least that is told", reload=True)
    ] = "info"


class MetricsConfig(Section, frozen=True):
    """What /metrics of the HTTP door tells a Prometheus server."""

    allow_from: Annotated[Networks, Key("Who may read them")] = (
        values.read_network("127.0.0.0/8"),
        values.read_network("::1/128"),
    )
    destinations: Annotated[
        int, Meta(ge=0, le=1000), Key("The busiest so many by name, the rest as `other`")
    ] = 20


class ClamavConfig(Section, frozen=True):
    """A virus scanner for the attachments of mail that is written through the API."""

    socket: Annotated[
        OptionalSocket, Key('Of clamd: "/run/clamav/clamd.ctl" or "host:port"; empty: nothing is scanned')
    ] = ""
    timeout: Annotated[Duration, Key("How long it may take for one file")] = timedelta(seconds=30)
    when_away: Annotated[
        Literal["refuse", "accept"],
        Key("What becomes of a message whose files it does not look at: 503 and a later try, or sent unseen"),
    ] = "refuse"


class LimitsConfig(Section, frozen=True):
    """What one client may ask of us."""

    message_size: Annotated[Size, Key("Over SMTP, header and body; announced as SIZE (RFC 1870)")] = 25 * _MIB
    body_size: Annotated[Size, Key("Of one HTTP request")] = 25 * _MIB
    body_timeout: Annotated[Duration, Key("How long the body of one HTTP request may take to arrive")] = (
        _MINUTE
    )
    api_requests_per_minute: Annotated[Count, Key("HTTP requests of one API key")] = 600
    header_size: Annotated[Size, Key("Of a header block; parsing it costs more than storing it")] = 100 * _KIB
    recipients_per_message: Annotated[Count, Key("RFC 5321 §4.5.3.1.8 asks for 100 at least")] = 1000
    received_hops: Annotated[Count, Key("More Received fields mean a loop (RFC 5321 §6.3)")] = 100
    replies_per_thread_per_hour: Annotated[
        Count, Key("Messages that one conversation gets from here over the API, so that two programs stop")
    ] = 30
    connections: Annotated[Count, Key("Open SMTP sessions at one listener")] = 1000
    connections_per_ip: Annotated[Count, Key("Open SMTP sessions of one address")] = 50
    http_connections_per_ip: Annotated[
        Count, Key("Open HTTP connections of one address; `api.trusted_proxies` are not counted")
    ] = 200
    connections_per_minute: Annotated[Count, Key("New sessions of one address at the MX")] = 300
    messages_per_minute_per_ip: Annotated[Count, Key("Messages from one address at the MX")] = 500
    data_per_minute: Annotated[Size, Key("Content from one address at the MX")] = _GIB
    refused_recipients_per_minute: Annotated[
        Count, Key("Recipients that one address may name at the MX although they are not here")
    ] = 100
    errors_per_session: Annotated[Count, Key("Refused commands before a session is closed")] = 20
    auth_failures_per_minute: Annotated[
        Count, Key("Wrong passwords from one address, or for one login, before it must wait")
    ] = 10
    auth_failures_per_day: Annotated[Count, Key("The same over a day")] = 50
    command_timeout: Annotated[Duration, Key("Silence between commands (RFC 5321 §4.5.3.2.7)")] = 5 * _MINUTE
    data_timeout: Annotated[Duration, Key("Silence within DATA")] = 3 * _MINUTE
    session_time: Annotated[Duration, Key("The longest session, however busy")] = 2 * _HOUR


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration; every section stands at its defaults unless told otherwise."""

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    submission: SubmissionConfig = SubmissionConfig()
    inbound: InboundConfig = InboundConfig()
    api: ApiConfig = ApiConfig()
    tls: TlsConfig = TlsConfig()
    dns: DnsConfig = DnsConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    dkim: DkimConfig = DkimConfig()
    policy: PolicyConfig = PolicyConfig()
    retention: RetentionConfig = RetentionConfig()
    webhooks: WebhooksConfig = WebhooksConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    clamav: ClamavConfig = ClamavConfig()
    limits: LimitsConfig = LimitsConfig()

    @property
    def store_file(self) -> Path | None:
        """The SQLite file, below `server.data_dir` unless absolute; None when the store is PostgreSQL."""
        if not self.store.url.startswith("sqlite:///"):
            return None
        return self.server.data_dir / self.store.url.removeprefix("sqlite:///")
