"""The command line: what people type, and what they see. The work itself is `relay.control`'s.

`main` puts the commands together; `frame` is what they share: options,
errors, exit codes.
"""
