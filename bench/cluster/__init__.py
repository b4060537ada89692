"""Several `posthouse serve` on one PostgreSQL: how fast they are together, and what they stand."""
