"""Workspaces: checkout, provisioning, snapshot, diff and landing; the only room that calls git.

The bridge's own git calls never use a git directory or a configuration that an agent can
write, and the user's checkout, index, branches, stash, hooks and config are never modified
except by an explicit `land`.
"""
