"""What is the whole tenant's is not for a key that is bound to one inbox."""

from api.call import Call
from api.problems import Problem


def check_tenant_wide(call: Call) -> None:
    """Raise Problem (403) for a key of one inbox: it changes nothing beyond its mail."""
    if call.caller.mailbox_id is not None:
        raise Problem(403, "insufficient_scope", "This key is for one inbox alone.")
