"""What the outside can see of a running station: log lines with ids, and metrics.

Logs tell decisions and ids, never bodies or secrets, one line for each.
Metrics are counted by the rooms through the methods of `Metrics`.
"""

from relay.telemetry.context import bind_ids, log_ids
from relay.telemetry.logs import set_up_logging
from relay.telemetry.metrics import Metrics, QueueDepth

__all__ = ["Metrics", "QueueDepth", "bind_ids", "log_ids", "set_up_logging"]
