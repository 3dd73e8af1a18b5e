"""The command line: one module per group of verbs, imported when a verb of it is called.

With `--json` stdout is exactly one JSON document, whatever happens; everything else a person
may like to read goes to stderr. Exit codes come from `exits` alone.
"""
