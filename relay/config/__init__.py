"""What the operator has set: config.toml and the environment become one frozen `Config`.

`sections` names every section; `house`, `doors` and `outward` name their keys,
each with its default and the reason for it. config.toml and
docs/configuration.md are printed from there (`python -m relay.config`).
`load_config` reads, checks everything at once and complains with file, line,
key and the nearest known key.
"""

from relay.config.doors import (
    ApiConfig,
    ClamavConfig,
    InboundConfig,
    LimitsConfig,
    SubmissionConfig,
    TlsConfig,
)
from relay.config.effective import Change, Setting, changes, effective
from relay.config.errors import ConfigError, Problem
from relay.config.house import LogConfig, MetricsConfig, RetentionConfig, ServerConfig, StoreConfig
from relay.config.load import Loaded, Source, build_config, find_config, load_config
from relay.config.outward import DeliveryConfig, DkimConfig, DnsConfig, PolicyConfig, WebhooksConfig
from relay.config.sections import Config
from relay.config.values import InheritedListener, Listener, Network
from relay.config.warmup import WarmupPlan

__all__ = [
    "ApiConfig",
    "Change",
    "ClamavConfig",
    "Config",
    "ConfigError",
    "DeliveryConfig",
    "DkimConfig",
    "DnsConfig",
    "InboundConfig",
    "InheritedListener",
    "LimitsConfig",
    "Listener",
    "Loaded",
    "LogConfig",
    "MetricsConfig",
    "Network",
    "PolicyConfig",
    "Problem",
    "RetentionConfig",
    "ServerConfig",
    "Setting",
    "Source",
    "StoreConfig",
    "SubmissionConfig",
    "TlsConfig",
    "WarmupPlan",
    "WebhooksConfig",
    "build_config",
    "changes",
    "effective",
    "find_config",
    "load_config",
]
