"""Keys of the doors: where mail and requests come in, in whose name, and what one client may ask."""

from datetime import timedelta
from typing import Annotated, Literal

from relay.config.keys import Key
from relay.config.kinds import (
    GIB,
    HOUR,
    KIB,
    MIB,
    MINUTE,
    Count,
    Duration,
    Hostnames,
    Listeners,
    Networks,
    OptionalAddress,
    OptionalFile,
    OptionalSocket,
    OptionalUrl,
    PublicUrl,
    Section,
    Size,
)
from relay.config.values import Listener


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

    message_size: Annotated[Size, Key("Over SMTP, header and body; announced as SIZE (RFC 1870)")] = 25 * MIB
    body_size: Annotated[Size, Key("Of one HTTP request")] = 25 * MIB
    body_timeout: Annotated[Duration, Key("How long the body of one HTTP request may take to arrive")] = (
        MINUTE
    )
    api_requests_per_minute: Annotated[Count, Key("HTTP requests of one API key")] = 600
    header_size: Annotated[Size, Key("Of a header block; parsing it costs more than storing it")] = 100 * KIB
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
    data_per_minute: Annotated[Size, Key("Content from one address at the MX")] = GIB
    refused_recipients_per_minute: Annotated[
        Count, Key("Recipients that one address may name at the MX although they are not here")
    ] = 100
    errors_per_session: Annotated[Count, Key("Refused commands before a session is closed")] = 20
    auth_failures_per_minute: Annotated[
        Count, Key("Wrong passwords from one address, or for one login, before it must wait")
    ] = 10
    auth_failures_per_day: Annotated[Count, Key("The same over a day")] = 50
    command_timeout: Annotated[Duration, Key("Silence between commands (RFC 5321 §4.5.3.2.7)")] = 5 * MINUTE
    data_timeout: Annotated[Duration, Key("Silence within DATA")] = 3 * MINUTE
    session_time: Annotated[Duration, Key("The longest session, however busy")] = 2 * HOUR
