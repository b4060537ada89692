"""Where everything durable lives: one store, one SQL text, two engines.

`database` says what a store can do, `sqlite` is the engine inside, `postgres`
the one that many nodes share, `opening` chooses. `dialect` holds the few places
where engines differ, `bodies` and `shared_bodies` keep what is too large for a
row.
"""
