"""What a planner hands in, before anything of it has been looked at."""

from dataclasses import dataclass, field
from typing import Literal

from codencer.model.task import SourceKind


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One task as it arrived.

    `text` is the document word for word (for the format `text`: the goal itself).
    `overrides` are keys of a TaskSpec given beside it, which win. `cwd` is the folder the
    caller stands in. `trust` is the caller's consent to the project's own commands. With
    `start_run` the run begins with this step when there is none of that id. A higher
    `priority` goes first, between runs.
    """

    source_kind: SourceKind
    text: str
    source_name: str = ""
    format: Literal["yaml", "json", "text"] = "text"
    overrides: dict[str, object] = field(default_factory=dict)
    cwd: str = ""
    idempotency_key: str | None = None
    trust: bool = False
    start_run: bool = False
    priority: int = 0
