"""Figures: what happened, counted by hour and day from the event log, never from the messages.

`rollup` follows the log after a cursor of its own, `counting` says what an
event counts for, `reading` answers questions, `health` judges mailboxes by
their rates. `follower` does it all for as long as the daemon runs.
"""
