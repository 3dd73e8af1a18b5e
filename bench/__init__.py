"""How fast and how big: the budgets of the design, each measured beside its goal.

Run by `make bench`. Whatever depends on the machine is measured in pairs, the bridge and then
a bare script that does the same work (`bare.py`), so that a ratio holds on a busy machine too.
"""
