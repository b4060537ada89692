"""DKIM on the way out: the keys of each domain, and the signatures that a message travels with.

Read `signer`, then `keys` and the private `files` they live in; `pool` keeps
the slow arithmetic off the event loop.
"""
