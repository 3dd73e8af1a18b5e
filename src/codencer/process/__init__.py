"""The only room that starts processes: launches under a supervisor, and short commands.

    launches.py   Launcher: start, adopt, await, stop and sweep supervised process trees
    folder.py     what a launch folder says: claim, lock, exit record
    commands.py   run(): one short command, bounded by its progress
    watch.py      changed(): wakes when a file grows
    tree.py       who is in a process tree, and what it uses
    procfs.py     /proc, read carefully

Liveness is always a lock held by the living, never a process number.
"""
