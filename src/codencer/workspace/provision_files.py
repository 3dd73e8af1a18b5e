"""The three files a project may say its provisioning in, read strictly.

The first one that exists counts. Keys that would be ignored are errors, because whoever wrote them
expects something to happen.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from codencer.errors import InvalidInput, MalformedInput, TooLarge
from codencer.model.step import ProvisioningSpec

_DEFAULT_SECONDS = ProvisioningSpec().timeout_seconds
_MAX_FILE_BYTES = 1024 * 1024


def read_provisioning(checkout: Path) -> ProvisioningSpec:
    """Return what the project asks for, from the first of the three files that exists.

    `source` of the result is that file's absolute path, empty when there is none.

    Raises:
        MalformedInput: the file cannot be parsed; InvalidInput: a key or value in it is wrong.
    """
    for name, parse in _FORMATS.items():
        path = checkout.absolute() / name
        try:
            if path.stat().st_size > _MAX_FILE_BYTES:
                raise TooLarge(f"{path} is over 1 MiB; nothing was done.")
            text = path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as cause:
            raise MalformedInput(f"{path} cannot be read: {cause}.") from cause
        return parse(_Section(file=path, value=_parsed(path, text)))
    return ProvisioningSpec()


@dataclass(frozen=True, kw_only=True)
class _Section:
    """One mapping of a file, with the way to it for messages."""

    file: Path
    value: object
    path: str = ""

    def keys(self, known: set[str]) -> "Mapping[str, object]":
        """Return the mapping; a missing one is empty, an unknown key an error."""
        value = {} if self.value is None else self.value
        if not isinstance(value, dict):
            raise InvalidInput(f"{self.file}: {self.path or 'the file'} must be a mapping.")
        for key in value:
            if key not in known:
                raise InvalidInput(
                    f"{self.file}: unknown key {self._at(str(key))}; known: {', '.join(sorted(known))}."
                )
        return value

    def below(self, known: set[str], key: str) -> "_Section":
        return _Section(file=self.file, value=self.keys(known).get(key), path=self._at(key))

    def paths(self) -> tuple[str, ...]:
        """A list of relative paths that stay inside the checkout and out of `.git`."""
        value = [] if self.value is None else self.value
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise InvalidInput(f"{self.file}: {self.path} must be a list of paths.")
        for each in value:
            parts = PurePosixPath(each).parts
            if not parts or "\0" in each or parts[0] == "/" or ".." in parts or parts[0].lower() == ".git":
                raise InvalidInput(
                    f"{self.file}: {self.path} names {each!r}; only paths inside the checkout can be."
                )
        return tuple(PurePosixPath(each).as_posix() for each in value)

    def text(self) -> str:
        value = "" if self.value is None else self.value
        if not isinstance(value, str):
            raise InvalidInput(f"{self.file}: {self.path} must be a string.")
        return value

    def seconds(self) -> int:
        value = _DEFAULT_SECONDS if self.value is None else self.value
        if type(value) is not int or value <= 0:
            raise InvalidInput(f"{self.file}: {self.path} must be a whole number of seconds, at least 1.")
        return value

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}".lstrip(".")


def _own(top: _Section) -> ProvisioningSpec:
    section = top.below({"provisioning"}, "provisioning")
    known = {"copy", "symlinks", "hooks", "timeout_seconds"}
    return ProvisioningSpec(
        source=str(top.file),
        copy=section.below(known, "copy").paths(),
        symlinks=section.below(known, "symlinks").paths(),
        post_create=section.below(known, "hooks").below({"post_create"}, "post_create").text(),
        timeout_seconds=section.below(known, "timeout_seconds").seconds(),
    )


def _grove(top: _Section) -> ProvisioningSpec:
    # The rest of this file belongs to another tool; what is said about workspaces is read strictly.
    value = top.value if isinstance(top.value, dict) else {}
    workspace = _Section(file=top.file, value=value.get("workspace"), path="workspace")
    setup = workspace.below({"setup", "hooks"}, "setup")
    hooks = workspace.below({"setup", "hooks"}, "hooks")
    return ProvisioningSpec(
        source=str(top.file),
        copy=setup.below({"copy", "symlinks"}, "copy").paths(),
        symlinks=setup.below({"copy", "symlinks"}, "symlinks").paths(),
        post_create=hooks.below({"post_create"}, "post_create").text(),
    )


def _groverc(top: _Section) -> ProvisioningSpec:
    known = {"symlink", "afterCreate"}
    return ProvisioningSpec(
        source=str(top.file),
        symlinks=top.below(known, "symlink").paths(),
        post_create=top.below(known, "afterCreate").text(),
    )


_FORMATS: Mapping[str, Callable[[_Section], ProvisioningSpec]] = {
    ".codencer/workspace.json": _own,
    "grove.yaml": _grove,
    ".groverc.json": _groverc,
}


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        merge = "tag:yaml.org,2002:merge"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != merge]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.start_mark
                )
        return dict(super().construct_mapping(node, deep))


def _parsed(path: Path, text: str) -> object:
    try:
        if path.suffix == ".yaml":
            return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
        return json.loads(text, object_pairs_hook=_unrepeated)
    except (ValueError, yaml.YAMLError, RecursionError) as cause:
        raise MalformedInput(f"{path} cannot be parsed: {cause}.") from cause


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key!r} stands twice")
    return dict(pairs)
