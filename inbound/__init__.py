"""Mail that arrives: from the MX listener, or in process from a sender of this house.

`listener` speaks SMTP and asks `recipients` who is here; `receive` stores what
came. `local` is the same path for mail that never leaves the house.
"""
