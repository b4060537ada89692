"""From a machine with Posthouse on it to one that relays mail: each step can be taken again.

`plan` says what will stand where, `account` and `files` make it so, `units`
knows the systemd units, `household` adds the first domain and mailbox,
`report` tells people what to do next. Nothing that exists is changed.
"""
