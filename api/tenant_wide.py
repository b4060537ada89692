"""What is not for every key: what is the whole tenant's, and ways round the guards of a key."""

from api.call import Call
from api.problems import Problem


def check_tenant_wide(call: Call) -> None:
    """Raise Problem (403) for a key of one inbox: it changes nothing beyond its mail."""
    if call.caller.mailbox_id is not None:
        raise Problem(403, "insufficient_scope", "This key is for one inbox alone.")


def check_unguarded(call: Call) -> None:
    """Raise Problem (403) for a key that guards hold: it would find a way round them."""
    if call.caller.key.guards is not None:
        raise Problem(403, "insufficient_scope", "A key with guards may not do this.")
