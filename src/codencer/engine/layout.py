"""Where one instance keeps what on disk; every path of the bridge is made here.

State lies in the git common directory, where `git clean` never reaches it. Workspaces and
trash lie outside the repository, so that nothing walking up the tree meets another attempt.
Names of folders are our own ids, or names that were checked at intake.
"""

from dataclasses import dataclass
from pathlib import Path

SNAPSHOTS = "refs/codencer/attempts/"
COMMITS = "refs/codencer/commits/"
"""Tips of an attempt's own commits that its snapshot does not have as ancestors, by attempt."""
BASES = "refs/codencer/bases/"
FRESH = ".fresh"
"""Ends the name of a checkout that only validations see."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    state: Path
    artifacts: Path
    workspaces: Path
    trash: Path

    def workspace(self, attempt_id: str) -> Path:
        return self.workspaces / attempt_id

    @property
    def homes(self) -> Path:
        """Beside the workspaces: home folders that steps have of their own."""
        return self.workspaces.parent / "homes"

    def home(self, step_id: str) -> Path:
        return self.homes / step_id

    def fresh(self, attempt_id: str) -> Path:
        """A checkout beside the workspace in which validations run; never work, and thrown away after use."""
        return self.workspaces / f"{attempt_id}{FRESH}"

    def overlay(self, digest: str) -> Path:
        """What was captured of a validation's overlay, by the SHA-256 of the archive."""
        return self.state / "overlays" / f"{digest}.tar"

    def attempt_folder(self, attempt_id: str) -> Path:
        """Launch folders and the bridge's own index of one attempt."""
        return self.state / "launches" / attempt_id

    def index(self, attempt_id: str) -> Path:
        return self.attempt_folder(attempt_id) / "index"

    def provisioned(self, attempt_id: str) -> Path:
        """The note of what lay in the workspace before the agent saw it."""
        return self.attempt_folder(attempt_id) / "provisioned.json"

    def scope(self, attempt_id: str) -> Path:
        """The note of what was out of scope before the agent began."""
        return self.attempt_folder(attempt_id) / "scope.json"

    def exchange(self, attempt_id: str) -> Path:
        """What the bridge gives an agent: the task, the prompt. In a sandbox it only reads them."""
        return self.attempt_folder(attempt_id) / "exchange"

    def returned(self, attempt_id: str) -> Path:
        """What an agent gives back: the result fragment, a report. The bridge writes nothing here."""
        return self.exchange(attempt_id) / "agent"

    def launch(self, attempt_id: str, name: str) -> Path:
        return self.attempt_folder(attempt_id) / name

    def launches(self, attempt_id: str, kind: str) -> list[Path]:
        """Launch folders of one kind, oldest first; a repeated launch has a higher number."""
        found = self.attempt_folder(attempt_id).glob(f"{kind}-*")
        # A temporary folder beside them may be left of a daemon that was killed.
        numbered = {folder: number for folder in found if (number := launch_number(folder.name))}
        return sorted(numbered, key=numbered.__getitem__)

    def make(self) -> None:
        for folder in (self.state, self.artifacts, self.workspaces, self.trash):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def launch_number(name: str) -> int:
    """Which launch of its kind a folder's name is, from 1; 0 when it is none."""
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def snapshot_ref(attempt_id: str) -> str:
    return f"{SNAPSHOTS}{attempt_id}"
