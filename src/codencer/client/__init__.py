"""The thin client of a daemon: standard library only, no engine, no ledger, no web framework.

It finds the daemon of a repository, starts one when asked to, speaks HTTP over its socket
and turns problem documents back into the errors of `codencer.errors`.
"""
