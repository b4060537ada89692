"""One attempt to hand a message to the far side: where to go, how to say it, what came of it.

Read `attempt`, then `route` (which hosts), `opening` and `connection` (one
conversation), `transaction` (one message), `classify` (what a reply means).
This room knows no database and no queue.
"""
