"""The store on PostgreSQL, which many nodes share; the home of asyncpg (`posthouse[postgres]`).

A work is a transaction on a connection of its own. What SQLite's one writer
gives for nothing, that no work sees another's half, PostgreSQL gives by
serializable transactions that are run again when they met; works that say
they stand side by side (`transact`) run read committed and wait for rows.
"""
