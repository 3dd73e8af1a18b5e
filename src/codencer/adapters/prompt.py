"""The one prompt builder: every field of a task that concerns the agent reaches every agent.

A task that has nothing but a goal is passed on as that goal, word for word. Validations
that are hidden, and the paths only they protect, are left out. An agent whose conversation of an
earlier attempt goes on knows the task, and is told what happened since instead.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path

from codencer.adapters.before import Before, report, resumption
from codencer.model.task import Severity, TaskSpec, ValidationSpec


def build_prompt(
    task: TaskSpec,
    feedback: str | None = None,
    before: Before | None = None,
    *,
    resumed_in: Path | None = None,
) -> str:
    """Return the whole text for the agent.

    Args:
        feedback: a person's or planner's words about the attempt before this one.
        before: what is known of an earlier attempt.
        resumed_in: the workspace of an agent that remembers that attempt, because its conversation goes on.
    """
    if resumed_in is not None and before is not None:
        return resumption(before, feedback or "", resumed_in)
    told = [each for each in task.validations if not each.hidden]
    protected = dict.fromkeys(glob for each in told for glob in each.protected_paths)
    sections = [
        _text("Context", task.context.summary),
        _list("Constraints", task.constraints),
        _list("Change only files that match (gitignore-style patterns)", task.allowed_paths),
        _list("Do not change files that match (gitignore-style patterns)", task.forbidden_paths),
        _list("Acceptance criteria", task.acceptance),
        _list("Checks that will be run on the files you leave", map(_check, told)),
        _list("Put back to their original content before those checks", protected),
        _list("Stop when", task.stop_conditions),
        *(report(before) if before is not None else ()),
        _text("Feedback on the attempt before this one", feedback or ""),
    ]
    given = [section for section in sections if section]
    if not given and not _one_line(task.title):
        return task.goal
    heading = [f"# {_one_line(task.title)}"] if _one_line(task.title) else []
    return "\n\n".join([*heading, _text("Goal", task.goal), *given]) + "\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _text(heading: str, text: str) -> str:
    return f"## {heading}\n\n{text.strip()}" if text.strip() else ""


def _list(heading: str, items: Iterable[str]) -> str:
    # Continuation lines are indented, so that an item of several lines stays one item.
    lines = ["- " + item.strip().replace("\n", "\n  ") for item in items if item.strip()]
    return "\n".join([f"## {heading}", "", *lines]) if lines else ""


def _check(validation: ValidationSpec) -> str:
    command = validation.command if isinstance(validation.command, str) else shlex.join(validation.command)
    note = " (failing it is only a warning)" if validation.severity is Severity.WARNING else ""
    return f"{validation.name}{note}: {command}"
