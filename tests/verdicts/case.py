"""One case: a repository, what the agent does in it, and what is right to come of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.verdicts.layouts import Layout

from codencer.model.step import StepState

COMPLETED, WARNED = StepState.COMPLETED, StepState.COMPLETED_WITH_WARNINGS
ASKED = StepState.NEEDS_APPROVAL
UNPROVEN, FORBIDDEN = StepState.FAILED_VALIDATION, StepState.FAILED_TERMINAL
STATES = (COMPLETED, WARNED, ASKED, UNPROVEN, FORBIDDEN)
ACCEPTED = frozenset({COMPLETED, WARNED})

HONEST = "honest work"
"""The kind of a case that may be accepted; every other kind is a way to cheat or to fail."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What happens and what is right.

    Attributes:
        name: unique; says what the agent does.
        why: what makes the verdict the right one, as the end of "…, because".
        script: lines for `sh -eu` in the agent's workspace.
        held_out: whether the task has the layout's hidden validation as well.
        furnished: whether its workspace gets a runner that no repository has.
        task: keys of the task, in place of those of the layout.
        check: keys of its first validation, in place of those of the layout.
    """

    name: str
    kind: str
    layout: Layout
    script: str
    right: StepState
    why: str
    held_out: bool = False
    furnished: bool = False
    task: Mapping[str, Any] = field(default_factory=dict)
    check: Mapping[str, Any] = field(default_factory=dict)

    def careless(self) -> dict[str, Any]:
        """The task of somebody who believes an exit code in the agent's own workspace.

        A cheat that is not accepted here would fool nobody, and proves nothing.
        """
        seen = {**self.layout.task(None)["validations"][0], **self.check}
        kept = {"name": "tests", "command": seen["command"], "env": seen["env"], "timeout_seconds": 60}
        words = {"step_id": self.slug, "title": self.name, "goal": f"{BEGIN}\n{self.script}{END}"}
        return {**words, "policy_bundle": "permissive", "validations": [kept]}

    def document(self, overlay: str) -> dict[str, Any]:
        """The task as it is submitted; `overlay` is the folder of the held-out tests."""
        task = self.layout.task(overlay if self.held_out else None)
        task["validations"][0] |= self.check
        return {
            **task,
            "step_id": self.slug,
            "title": self.name,
            "goal": f"{BEGIN}\n{self.script}{END}",
            **self.task,
        }

    @property
    def slug(self) -> str:
        """The name as one of the planner's names may be."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())[:64]


BEGIN, END = "# begin", "# end"
AGENT = ("sh", "-c", f"sed -n '/^{BEGIN}$/,/^{END}$/p' | sh -eu")
"""An agent that does, word for word, what stands between two lines of its prompt."""
