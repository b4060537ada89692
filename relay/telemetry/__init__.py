"""What the outside can see of a running station: log lines with ids, and metrics.

Logs tell decisions and ids, never bodies or secrets, one line for each.
Metrics are counted by the rooms through the methods of `Metrics`. Nothing is
imported here: a delivery process logs, and has no use for the library of metrics.
"""
