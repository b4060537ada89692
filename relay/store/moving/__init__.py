"""Carry an SQLite store over to PostgreSQL, table by table, and prove that all of it arrived.

`source` reads the file, `filling` writes at the server, `compare` proves the
two alike. What rooms must add (leases, the words of letters) is in
`relay.control.moving`.
"""
