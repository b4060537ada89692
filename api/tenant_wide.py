"""What is not for every key: what is the whole tenant's, and ways round the guards of a key."""

from api.call import Call
from api.problems import Problem


def check_tenant_wide(call: Call) -> None:
    """Raise Problem (403) for a bound key: it changes nothing beyond the mail of its inboxes."""
    if call.caller.reach is not None:
        raise Problem(403, "insufficient_scope", "This key is bound to some inboxes or domains alone.")


def check_unguarded(call: Call) -> None:
    """Raise Problem (403) for a key that guards hold: it would find a way round them."""
    if call.caller.key.guards is not None:
        raise Problem(403, "insufficient_scope", "A key with guards may not do this.")
