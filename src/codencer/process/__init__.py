"""The only room that starts processes: launches under a supervisor, and short commands.

    launches.py      Launcher: start, adopt, await, stop and sweep supervised process trees
    folder.py        what a launch folder says: claim, lock, exit record
    sandbox.py       bubblewrap around a command, where it works
    confined.py      what such a launch leaves, and how its command really ended
    toolchains.py    where the programs on PATH are really installed
    mounts.py        from what a launch may see to the mounts that make it so
    conversation.py  Conversation: hear and answer the agent of a two-way launch
    link.py          the line to its relay
    frames.py        what the log of a conversation says
    commands.py      run(): one short command, bounded by its progress
    watch.py         changed(): wakes when a file grows
    waiting.py       waiting for descriptors, processes and blocking calls in an event loop
    tree.py          who is in a process tree, and what it uses
    procfs.py        /proc, read carefully

Liveness is always a lock held by the living, never a process number.
"""
