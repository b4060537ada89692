"""Mail that arrives: from the MX listener, or in process from a sender of this house.

In the order in which a message walks through it:

- `listener` speaks SMTP and asks `recipients` who is here; `screening` asks
  others what they say of the client. `local` is the same path for mail that
  never leaves the house.
- `receive` stores what came, for each mailbox an `arrival`; then 250 is said.
- `reader` reads on from there: `opening` takes a message apart (`reading`, in
  a child process), has its sender judged (`authenticate`), says of what kind
  it is (`classify`, `intent`), finds its conversation (`threading`) and
  whether it is let in (`standing`).
- `filing` writes all of it down at once: the letter (`letters`), what it
  reports (`bounces`, `complaints`, `unsubscribes`), the events. `sent` does
  the same for mail that went out; `composed` for mail that was written here.
- `forgetting` takes letters away with the mail that retention takes.

`assembly` puts it together.
"""
