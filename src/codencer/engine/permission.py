"""What the settings answer to an agent that asks to be allowed something, before any person is asked.

`scope` allows what the agent says it does to files, if every one of them lies in the workspace, is
among the task's allowed paths and not among its forbidden ones. What it says is not proof: the real diff
is judged all the same. A command is never in scope, because nobody can tell what it will touch.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codencer.engine.scope import Scope
from codencer.model.dialogue import ALLOWING, REFUSING, PermissionRequest, narrowest
from codencer.model.step import Approvals
from codencer.model.task import TaskSpec

_OF_FILES = frozenset({"read", "search", "edit", "delete", "move"})
"""Kinds of tools of which the named files say everything."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`option` is the id of the one that is chosen; None refuses with none of those offered."""

    option: str | None


def by_policy(
    approvals: Approvals, request: PermissionRequest, task: TaskSpec, workspace: Path
) -> Answer | None:
    """The answer that needs no person; None when one has to be asked. Looks at the file system."""
    match approvals:
        case Approvals.ALLOW:
            return allow(request)
        case Approvals.DENY:
            return refuse(request)
        case Approvals.SCOPE if request.tool in _OF_FILES and in_scope(request.paths, task, workspace):
            return allow(request)
    return None


def allow(request: PermissionRequest) -> Answer:
    """The narrowest option that allows; without one it is refused, as nothing else can be said."""
    option = narrowest(request.options, ALLOWING)
    return refuse(request) if option is None else Answer(option=option.id)


def refuse(request: PermissionRequest) -> Answer:
    option = narrowest(request.options, REFUSING)
    return Answer(option=option.id if option else None)


def in_scope(paths: Iterable[str], task: TaskSpec, workspace: Path) -> bool:
    """Whether these are files that the task may change; no paths at all are out of scope."""
    scope = Scope(task)
    top = os.path.realpath(workspace)
    inside = [_inside(top, path) for path in paths]
    return bool(inside) and all(path is not None and not scope.breaks(path) for path in inside)


def _inside(top: str, path: str) -> bytes | None:
    """The path relative to the workspace, wherever links lead; None when that is outside, or git's own."""
    relative = os.path.relpath(os.path.realpath(os.path.join(top, path)), top)
    parts = relative.split(os.sep)
    return None if parts[0] in (os.curdir, os.pardir) or ".git" in parts else os.fsencode(relative)
