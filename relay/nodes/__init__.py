"""The nodes that share a PostgreSQL store: who they are, when they were last seen, and who is to rest."""
