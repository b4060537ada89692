"""The whole configuration: every section, in the order of config.toml.

Its keys stand in `house`, `doors` and `outward`, each with its type, its
default and why it exists; there is no other list. A new key is a new line
there; then `python -m relay.config toml > config.toml` and
`… docs > docs/configuration.md`.
"""

from pathlib import Path

from msgspec import Struct

from relay.config.doors import (
    ApiConfig,
    ClamavConfig,
    InboundConfig,
    LimitsConfig,
    SubmissionConfig,
    TlsConfig,
)
from relay.config.house import LogConfig, MetricsConfig, RetentionConfig, ServerConfig, StoreConfig
from relay.config.outward import DeliveryConfig, DkimConfig, DnsConfig, PolicyConfig, WebhooksConfig


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
