"""The git directory an agent finds in its workspace: written as plain files, never by running git.

It is a whole repository of its own that borrows the user's objects for reading. It has no remote
(but promisors), no hooks, and no way to the user's refs, index or configuration.
"""

import os
import shutil
from pathlib import Path

from codencer.workspace.names import unquote_path
from codencer.workspace.settings import ATTRIBUTES_KEY, EXCLUDES_KEY, GitSettings
from codencer.workspace.store import Store, bare_config


def make_git_dir(
    store: Store, settings: GitSettings, git_dir: Path, *, head: str, branch: str | None
) -> None:
    """Write a git directory whose HEAD is at commit `head`, on `branch` or detached."""
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (git_dir / name).mkdir(parents=True, exist_ok=True)
    if branch is None:
        (git_dir / "HEAD").write_text(f"{head}\n")
    else:
        (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        ref = git_dir / "refs" / "heads" / branch
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(f"{head}\n")
    _borrow(store.common_dir / "objects", git_dir / "objects" / "info" / "alternates")
    for name in ("shallow", "info/attributes"):
        if (store.common_dir / name).is_file():
            shutil.copyfile(store.common_dir / name, git_dir / name)
    frozen = dict(settings)
    if EXCLUDES_KEY in frozen:
        (git_dir / "info" / "exclude").write_bytes(unquote_path(frozen[EXCLUDES_KEY]))
    if ATTRIBUTES_KEY in frozen:
        (git_dir / "info" / "attributes-global").write_bytes(unquote_path(frozen[ATTRIBUTES_KEY]))
        settings = (*settings, ("core.attributesFile", str(git_dir / "info" / "attributes-global")))
    (git_dir / "config").write_bytes(os.fsencode(_configuration(store, settings)))


def _configuration(store: Store, settings: GitSettings) -> str:
    own = (
        ("core.bare", "false"),
        ("core.fileMode", "true"),
        # The reflogs are how commits that the agent amended away are found again.
        ("core.logAllRefUpdates", "true"),
        ("core.fsmonitor", "false"),
        ("commit.gpgSign", "false"),
        ("tag.gpgSign", "false"),
    )
    return bare_config(store.object_format) + config_text((*settings, *own))


def config_text(settings: GitSettings) -> str:
    """Return these settings in git's configuration format; keys beginning with `codencer.` are ours."""
    lines = []
    for key, value in settings:
        section, _, rest = key.partition(".")
        if section == "codencer":
            continue
        middle, dot, name = rest.rpartition(".")
        title = f'[{section} "{_escaped(middle)}"]' if dot else f"[{section}]"
        text = _escaped(value).replace("\n", "\\n").replace("\t", "\\t").replace("\b", "\\b")
        lines.append(f'{title}\n\t{name} = "{text}"\n')
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _borrow(objects: Path, alternates: Path) -> None:
    name = os.fspath(objects)
    if "\n" in name or name.startswith(('"', "#")):
        name = '"' + _escaped(name).replace("\n", "\\n") + '"'
    alternates.write_bytes(os.fsencode(name) + b"\n")
