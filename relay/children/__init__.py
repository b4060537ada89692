"""Children: processes with budgets, for work whose cost strangers' texts decide.

A `Bench` asks them: its module of tasks says what can be asked, as a tagged
union `Task`, and does it, in `run(task)`. What needs too much time or memory,
or crashes, fails alone; the process that asks only waits.
"""
