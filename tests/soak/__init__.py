"""Random work under random faults, and an independent look at what came of it.

Run by `make soak` and, shortly, by the tests. What it looks at are the public faces (HTTP, the
command line), the user's repository, and diaries that the agents keep outside of it: nothing
here imports the bridge. `agent.py` works; `planner.py` asks; `faults.py` kills; `check.py` judges.
"""
