"""The conformance suite: proof that an adapter does on its real agent what the house promises.

One command drives an agent through all cases, with a real daemon, the real command line, a real
repository and the scripted model (`model_server`): `python -m codencer.testing.conformance PROFILE`.
docs/conformance.md is for whoever proves an adapter of their own.

profile    what has to be known of an agent, as TOML; the built-in ones are in `profiles/`
place      repository, home and daemon
cases      what is proven
trial      a case under way: tasks, outcomes, findings
driver     the order of things
report     what came out
"""
