"""Shipped for adapter authors: programs and drivers to try an adapter without a model.

`scripted_agent.py` is a real program that acts by directives found in its task
(docs/simulation.md); the `simulation` adapter runs it. `model_server` is a model that tells
real agents what to do. Nothing else in the house imports this package.
"""
