"""Where everything durable lives: one store, one SQL text, two engines.

`database` says what a store can do, `sqlite` is the engine inside, `dialect`
holds the few places where engines differ, `bodies` keeps what is too large
for a row.
"""
