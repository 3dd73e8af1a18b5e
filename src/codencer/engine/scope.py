"""What a task lets its agent change: the one reading of `allowed_paths` and `forbidden_paths`. Pure."""

from codencer.globs import Globs
from codencer.model.task import TaskSpec


class Scope:
    """Paths are relative to the workspace: bytes, or as git quotes them.

    With `ignore_case` forbidden globs match letters of another case, too; allowed ones never do.
    """

    def __init__(self, task: TaskSpec, *, ignore_case: bool = False) -> None:
        self._allowed = Globs(task.allowed_paths) if task.allowed_paths else None
        self._forbidden = Globs(task.forbidden_paths, ignore_case=ignore_case)
        self.limited = bool(task.allowed_paths or task.forbidden_paths)

    def forbids(self, path: str | bytes) -> bool:
        return self._forbidden.matches(path)

    def leaves_out(self, path: str | bytes) -> bool:
        """Whether no allowed glob matches; without allowed globs all are inside."""
        return self._allowed is not None and not self._allowed.matches(path)

    def breaks(self, path: str | bytes) -> bool:
        """Whether the task does not let it be changed."""
        return self.forbids(path) or self.leaves_out(path)
