"""The domain: frozen dataclasses, enums and pure functions; no I/O, standard library only.

planner       whoever submits tasks: a person, a script, an LLM
run           a mission: a named container of steps, its id chosen by the planner
step          one task of the planner; settled when the bridge has nothing left to do for it
attempt       one try at a step by one agent in one workspace; numbered from 1; final once
launch        one supervised process tree: provisioning hook, agent, or validation
TaskSpec      the versioned input contract; ResultSpec the output contract
adapter       the module that knows one agent: how to start it, how to read its output
workspace     the checkout of one attempt, with a git directory of its own
snapshot      the commit that holds everything an attempt left behind
validated tree  the snapshot's tree with every protected path put back to its base state
validation    a command the bridge runs on the validated tree
policy        a pure function from facts to fail, retry, gate or continue, with reasons
question      what a two-way agent asks to be allowed, and waits for; durable, answered once
gate          a durable question to a person, bound to the exact tree it was asked about
artifact      a file of evidence with its SHA-256
ledger        the append-only, hash-chained events, and the tables derived from them
instance      one daemon bound to one repository
bridge        this program as a role
"""
