"""What an operator can ask of a station, and the socket through which a running one is asked.

`operations` says what can be done, `server` lets a daemon answer, `reach`
does it wherever the store is: in the daemon if one runs, else here.
"""
