"""Keys of the house itself: its name, what it keeps and for how long, what it tells of itself."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from relay.config import values
from relay.config.keys import Key
from relay.config.kinds import (
    DAY,
    MIB,
    Bucket,
    Directory,
    Duration,
    Hostname,
    Networks,
    OptionalUrl,
    SecretKey,
    Section,
    Size,
    StoreUrl,
)
from relay.config.values import Secret, SecretUrl


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
    ] = 256 * MIB
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


class RetentionConfig(Section, frozen=True):
    """How long what is finished is kept; queued mail is never purged."""

    content: Annotated[Duration, Key("Bodies of sent mail")] = 90 * DAY
    events: Annotated[Duration, Key("What happened to each message, then the message's facts too")] = (
        365 * DAY
    )
    raw_inbound: Annotated[Duration, Key("Received mail as it arrived")] = 90 * DAY
    hourly_figures: Annotated[Duration, Key("What /v1/analytics tells by the hour")] = 90 * DAY
    daily_figures: Annotated[Duration, Key("What it tells by the day")] = 1095 * DAY


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
