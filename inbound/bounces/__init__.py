"""Mail of ours that came back: what a notice says, and what that makes of the recipients."""

from inbound.bounces.late import record_bounce
from inbound.bounces.notices import ReportedFailure, actions_of, read

__all__ = ["ReportedFailure", "actions_of", "read", "record_bounce"]
