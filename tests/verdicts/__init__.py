"""The verdict corpus: small repositories, agents that mend, fail or cheat, and what must come of each.

Every case is data: a layout (a repository and the task a careful user would write for it), a script that
the agent runs, and the state its step must end in. What must come out follows from what is right, never
from what the program does. `python -m tests.verdicts` runs all cases on one real daemon and prints the
confusion matrix.
"""
