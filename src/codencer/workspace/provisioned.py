"""What provisioning put into a workspace, so that it does not count as the agent's work.

Noted before the agent starts: every file that is neither tracked nor ignored, and the ignored ones
below protected paths, with the time of its inode's last change. A file that is still the noted one is
left out of the snapshot; one the agent touched is work like any other. Times are compared for being the
same and never for their order: a clock can be set back.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from codencer.globs import Globs
from codencer.workspace.collect import base_rules
from codencer.workspace.git import Git, GitSettings, Store, quote_path, unquote_path
from codencer.workspace.settings import ignoring

_SPECIAL = b"\\*?[ "


def note_provisioned(
    store: Store,
    settings: GitSettings,
    *,
    workspace: Path,
    index: Path,
    record: Path,
    protected: Sequence[str] = (),
) -> None:
    """Write down what lies in a workspace that no agent has seen yet.

    Args:
        protected: globs; of the files that the base's rules ignore, those that match are noted.

    Raises:
        GitFailed: git could not list the files.
    """
    git = Git(store, settings, work_tree=workspace, index=index)
    rules = record.with_suffix(".ignore")
    rules.write_bytes(base_rules(git))
    words = ("ls-files", "-z", "--others", f"--exclude-from={rules}")
    paths = git.run(*words).split(b"\0")[:-1]
    if protected:
        paths += filter(Globs(protected).matches, git.run(*words, "--ignored").split(b"\0")[:-1])
    noted = {}
    for path in paths:
        # A path with a slash at its end is a repository of its own: whatever is in it is kept.
        if not path.endswith(b"/") and b"\n" not in path:
            noted[quote_path(path)] = os.lstat(os.fsencode(workspace) + b"/" + path).st_ctime_ns
    record.write_text(json.dumps(noted, indent=1), encoding="utf-8")


def ignoring_provisioned(settings: GitSettings, workspace: Path, record: Path) -> GitSettings:
    """The settings with every noted file that is as it was among the user's ignore rules."""
    if not record.exists():
        return settings
    noted = read_noted(record)
    same = (path for path in noted if is_noted(noted, workspace, path))
    return ignoring(settings, b"".join(b"/" + _literal(path) + b"\n" for path in same))


def read_noted(record: Path) -> Mapping[bytes, int]:
    """The noted files with the time of their last change; none where nothing was provisioned."""
    if not record.exists():
        return {}
    noted = json.loads(record.read_text(encoding="utf-8"))
    return {unquote_path(path): changed for path, changed in noted.items()}


def is_noted(noted: Mapping[bytes, int], workspace: Path, path: bytes) -> bool:
    """Whether a file is still the one that was noted."""
    try:
        return path in noted and os.lstat(os.fsencode(workspace) + b"/" + path).st_ctime_ns == noted[path]
    except OSError:
        return False


def _literal(path: bytes) -> bytes:
    return b"".join(b"\\" + bytes([each]) if each in _SPECIAL else bytes([each]) for each in path)
