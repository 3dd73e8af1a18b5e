"""One repository of the user's as the bridge sees it.

The bridge's bare git directory is written as plain files, once, and never holds objects or refs of
its own: it exists so that no configuration but ours is read.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import GitFailed, StorageFailed


@dataclass(frozen=True, kw_only=True)
class Store:
    """`common_dir` is the user's git common directory; `bridge_dir` the bridge's own bare one."""

    common_dir: Path
    bridge_dir: Path
    object_format: str = "sha1"

    @property
    def zero(self) -> str:
        """The object id that means "none"."""
        return "0" * (64 if self.object_format == "sha256" else 40)

    @property
    def mark(self) -> str:
        """What the environment of every git command on this store carries."""
        return f"CODENCER_STORE={hashlib.sha256(os.fsencode(self.bridge_dir)).hexdigest()}"

    def is_object_id(self, text: str) -> bool:
        return len(text) == len(self.zero) and all(each in "0123456789abcdef" for each in text)


def open_store(common_dir: Path, state_dir: Path) -> Store:
    """Return the store of a repository, making the bridge's git directory when it is missing.

    Raises:
        GitFailed: `common_dir` is not a git common directory.
        StorageFailed: the state directory cannot be written.
    """
    common = common_dir.resolve()
    if not (common / "objects").is_dir():
        raise GitFailed(f"{common} is not a git directory: it has no objects folder.")
    kind = _object_format(common / "config")
    bridge = state_dir / "git"
    if not (bridge / "HEAD").is_file():
        try:
            _make(bridge, common, kind)
        except OSError as cause:
            raise StorageFailed(f"The bridge's git directory {bridge} cannot be made: {cause}.") from cause
    return Store(common_dir=common, bridge_dir=bridge, object_format=kind)


def bare_config(object_format: str) -> str:
    """The few lines that make a directory a repository of this object format."""
    version = 0 if object_format == "sha1" else 1
    lines = ["[core]", f"\trepositoryformatversion = {version}"]
    if object_format != "sha1":
        lines += ["[extensions]", f"\tobjectFormat = {object_format}"]
    return "\n".join([*lines, ""])


def _make(bridge: Path, common: Path, object_format: str) -> None:
    draft = bridge.with_name(f"{bridge.name}.{os.getpid()}.{os.urandom(4).hex()}")
    for name in ("objects", "refs", "info"):
        (draft / name).mkdir(parents=True, mode=0o700)
    # The repository's own attributes outrank those in the tree, so both sides must see the same ones.
    (draft / "info" / "attributes").symlink_to(common / "info" / "attributes")
    (draft / "config").write_text(bare_config(object_format) + "[core]\n\tbare = true\n")
    (draft / "HEAD").write_text("ref: refs/heads/none\n")
    try:
        draft.rename(bridge)
    except OSError:
        shutil.rmtree(draft)
        if not (bridge / "HEAD").is_file():
            raise


def _object_format(config: Path) -> str:
    """Read `extensions.objectFormat` as git writes it, without starting git."""
    section = ""
    for line in config.read_text("utf-8", "replace").splitlines():
        text = line.strip().lower()
        if text.startswith("["):
            section, _, text = text.partition("]")
        key, _, value = text.partition("=")
        if section == "[extensions" and key.strip() == "objectformat":
            return value.strip().strip('"')
    return "sha1"
