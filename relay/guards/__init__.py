"""What guards remember: to whom an inbox has written, what waits for a person's word.

`acquaintances` counts new recipients, `approvals` keeps what waits and who
decided, `onlooker` is how whoever takes mail asks what it says. The rules are
`tenants.guards`; `submission.guarding` applies them and `relay.approvals` decides.
"""
