"""`codencerd`, the composition root: settings, one lock, engine, faces, signals.

One daemon serves one repository, held by a lock for as long as it lives. It never daemonises
itself: whoever starts it detaches it and learns through `--ready-fd` how it went. Ending it never
ends an agent.
"""
