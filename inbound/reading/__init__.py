"""Mail is taken apart where it can do no harm: in a child process with budgets.

`parsed` says what a reading yields; `bench` keeps the children and asks them;
the other modules run inside a child.
"""
