"""Events, posted to the endpoints that a tenant named.

- `endpoints`: where to, of which kinds, signed with what; `endpoint_changes` is what people do
  to them, `standing` what posts do.
- `outbox`: follows the event log and writes down what each endpoint is owed.
- `deliveries`: one row for each event and endpoint, from due to done; `attempts`: what came of each post.
- `sender`: claims what is due and has it posted; an endpoint that hangs delays no other.
- `post`: one exchange over HTTP; `targets` says where it may go, `signature` proves that it is ours.
- `trial` and `replay`: what a person asks for out of turn.
- `retention`: forgets what is old.

At least once: the attempt is on record before it is made, and an event keeps its id
however often it is posted.
"""
