"""Where the mail of test keys goes: a far side of our own, and what comes back from it.

- `conduct`: the addresses at `simulator.test`, and what each does.
- `simulator`: an SMTP server on loopback that takes trials, refuses them or puts them off, as a far MX would.
- `caught`: what it took, for whoever wants to look at it; forgotten after thirty days.
- `reports`, `reporter`: the bounce and the complaint that follow a delivery, handed to the inbound path.
- `raising`, `samples`: any event at all, raised by hand.

Test mail travels on the relay's own ways, and the last hop is this. It never
leaves the house, and teaches it nothing: no allowance, suppression, statistic
or live webhook hears of it.
"""
