"""What provisioning put into a workspace, so that it does not count as the agent's work.

Noted before the agent starts: every file that is neither tracked nor ignored, with the time
of its inode's last change, which no program can set back. A file that is still the noted one
is left out of the snapshot; one the agent touched is work like any other.
"""

import json
import os
from pathlib import Path

from codencer.workspace.collect import base_rules
from codencer.workspace.git import Git, GitSettings, Store, quote_path, unquote_path
from codencer.workspace.settings import ignoring

_SPECIAL = b"\\*?[ "


def note_provisioned(
    store: Store, settings: GitSettings, *, workspace: Path, index: Path, record: Path
) -> None:
    """Write down what lies in a workspace that no agent has seen yet.

    Raises:
        GitFailed: git could not list the files.
    """
    git = Git(store, settings, work_tree=workspace, index=index)
    rules = record.with_suffix(".ignore")
    rules.write_bytes(base_rules(git))
    listing = git.run("ls-files", "-z", "--others", f"--exclude-from={rules}")
    noted = {}
    for path in listing.split(b"\0")[:-1]:
        # A path with a slash at its end is a repository of its own: whatever is in it is kept.
        if not path.endswith(b"/") and b"\n" not in path:
            noted[quote_path(path)] = os.lstat(os.fsencode(workspace) + b"/" + path).st_ctime_ns
    record.write_text(json.dumps(noted, indent=1), encoding="utf-8")


def ignoring_provisioned(settings: GitSettings, workspace: Path, record: Path) -> GitSettings:
    """The settings with every noted file that is as it was among the user's ignore rules."""
    if not record.exists():
        return settings
    noted = json.loads(record.read_text(encoding="utf-8"))
    top = os.fsencode(workspace)
    same = [path for path, changed in noted.items() if _changed(top, unquote_path(path)) == changed]
    rules = b"".join(b"/" + _literal(unquote_path(path)) + b"\n" for path in same)
    return ignoring(settings, rules)


def _changed(top: bytes, path: bytes) -> int | None:
    try:
        return os.lstat(top + b"/" + path).st_ctime_ns
    except OSError:
        return None


def _literal(path: bytes) -> bytes:
    return b"".join(b"\\" + bytes([each]) if each in _SPECIAL else bytes([each]) for each in path)
