"""Is what a domain needs really in the DNS? Looked up, judged, and written down.

`look` asks for one record, `decide` draws the conclusions, `verify` does it
for a domain and records the result, `recheck` does it for those whose turn it
is. `relay.tenants.dns_records` says what is needed, `dns_judge` compares.
"""

from relay.verification.look import RecordLook
from relay.verification.recheck import is_due, recheck_due
from relay.verification.verify import Verification, tracking_record, verify_domain

__all__ = ["RecordLook", "Verification", "is_due", "recheck_due", "tracking_record", "verify_domain"]
