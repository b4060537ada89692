"""The real scheduler in virtual time: thousands of destinations, a hundred nodes, millions of messages.

`python -m bench.simulator --help`. Real are the dispatchers with their lanes,
their fleets, what goes ahead, site leases, paces, the retry schedule and the
table of states. In place of the store stands one in memory that keeps the same
contract, in place of the far side a model of each destination.
"""
