"""A landing: one attempt's work on its way into the user's repository."""

from dataclasses import dataclass
from enum import StrEnum


class LandForm(StrEnum):
    COMMIT = "commit"
    BRANCH = "branch"
    PATCH = "patch"


@dataclass(frozen=True, kw_only=True)
class Landed:
    """`target` is the branch (or `HEAD` when detached) or the patch file; `files` the paths changed.

    `already`: it had landed before, and this time nothing was done.
    """

    form: LandForm
    target: str
    commit: str | None = None
    files: int = 0
    already: bool = False


@dataclass(frozen=True, kw_only=True)
class Landing:
    """Everything that is needed to finish or undo it, recorded before anything of the user's changes.

    `checkout` is the user's work tree, `git_dir` its git directory relative to the common one. `mark`
    is in the name or the content of whatever is laid beside the user's files meanwhile, so that it is
    known as ours. `ref` goes from `before` (None for a new branch) to `commit`; a patch has neither and
    holds the difference from `base` to `tree`.
    """

    form: LandForm
    target: str
    checkout: str
    git_dir: str
    mark: str
    base: str
    tree: str
    files: int
    ref: str = ""
    before: str | None = None
    commit: str | None = None

    @property
    def landed(self) -> Landed:
        """What it comes to."""
        return Landed(form=self.form, target=self.target, commit=self.commit, files=self.files)
