"""Agents that speak the Agent Client Protocol: one state machine, and a table of who they are."""
