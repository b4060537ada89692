"""What a tenant owns, and what can be done with it: domains with their keys, mailboxes, lists.

The command line comes here through the control socket, programs through the
API; both are told the same, and each says it in its own way.
"""
