"""From what a launch may see to the mounts that make it so, as options of bubblewrap.

The root is empty: what is not listed is not there. Every path keeps its name, and a way that leads over
symbolic links outside does so inside as well.
"""

import os
from collections.abc import Iterable, Mapping
from enum import IntEnum

from codencer.model.launch import Confinement

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys"),
    *("/nix", "/gnu", "/snap", "/var/lib/ca-certificates", "/var/lib/alternatives"),
)
"""Folders of the system, read-only for every launch; those that are there."""
OF_LINKS = ("/etc/resolv.conf", "/etc/localtime", "/etc/hosts")
"""Files of /etc that are often links to elsewhere."""
PRIVATE = ("/tmp", "/var/tmp", "/run")
MOST_LINKS = 40
"""On the way to one path, as the kernel has it (path_resolution(7))."""


FIRST_COPY = 5
"""File descriptor."""


class Kind(IntEnum):
    """What an entry makes of its path; of several for one path the greatest counts."""

    HIDDEN = 0
    PRIVATE = 1
    COPIED = 2
    READ = 3
    WRITE = 4


Entries = dict[str, Kind]
Links = dict[str, str]


def options(confinement: Confinement) -> tuple[list[str], list[str]]:
    """The mounts, from the root on; what does not exist is left out.

    Returns:
        The options, and the files that must be open for them, from `FIRST_COPY` on.
    """
    entries, links = _resolved(confinement)
    made: dict[str, Kind | None] = {}
    words: list[str] = []
    sealed: list[str] = []
    copied: list[str] = []
    for path in sorted(entries.keys() | links.keys(), key=lambda path: path.split("/")):
        around = _around(path, made)
        if path in links:
            if around is None or around in (Kind.HIDDEN, Kind.PRIVATE):
                words += ("--symlink", links[path], path)
            continue
        kind = entries[path]
        if kind is Kind.COPIED:
            if around not in (Kind.READ, Kind.WRITE) and os.path.isfile(path):
                words += ("--file", str(FIRST_COPY + len(copied)), path)
                copied.append(path)
            continue
        if mount := _mount(path, kind, around):
            words += mount
            made[path] = kind
            if kind is Kind.HIDDEN and mount[0] == "--tmpfs":
                sealed += ("--remount-ro", path)
    return [*words, *sealed, "--proc", "/proc", "--dev", "/dev"], copied


def _mount(path: str, kind: Kind, around: Kind | None) -> tuple[str, ...]:
    """What makes an entry so, given what its surroundings are; nothing when it is so already."""
    exists, opened = os.path.lexists(path), around in (Kind.READ, Kind.WRITE)
    if kind is around:
        return ("--dir", path) if kind is Kind.PRIVATE else ()
    if opened and not exists:
        return ()  # a mount needs a place, and none is made in a folder of the user's
    match kind:
        case Kind.READ | Kind.WRITE:
            return ("--ro-bind" if kind is Kind.READ else "--bind", path, path) if exists else ()
        case Kind.PRIVATE:
            return ("--tmpfs", path) if around is not Kind.WRITE else ()
        case Kind.HIDDEN if opened:
            return ("--tmpfs", path) if os.path.isdir(path) else ("--ro-bind", "/dev/null", path)
    return ()  # what is not listed is not there


def _around(path: str, made: Mapping[str, Kind | None]) -> Kind | None:
    """What the nearest folder above says."""
    while path != "/":
        path = os.path.dirname(path)
        if path in made:
            return made[path]
    return None


def _resolved(confinement: Confinement) -> tuple[Entries, Links]:
    """Every entry under its real path, and the links that lead there."""
    entries: Entries = {}
    links: Links = {}
    changeable: list[str] = []

    def add(path: str, kind: Kind) -> str | None:
        found = _real(path, changeable)
        if found is None:
            return None
        real, over = found
        entries[real] = max(kind, entries.get(real, Kind.HIDDEN))
        links.update(over)
        return real

    for path in (*SYSTEM, *OF_LINKS):
        if os.path.lexists(path):
            add(path, Kind.READ)
    for path in (*PRIVATE, *confinement.private):
        add(path, Kind.PRIVATE)
    for path in sorted(confinement.write, key=len):
        real = add(path, Kind.WRITE)
        changeable += [real] if real is not None else []
    for path in confinement.read:
        add(path, Kind.READ)
    for path in confinement.copied:
        add(path, Kind.COPIED)
    for path in confinement.hidden:
        add(path, Kind.HIDDEN)
    return entries, links


def _real(path: str, changeable: list[str]) -> tuple[str, Links] | None:
    """Where a path leads, and over which links; None when a link on the way may be an agent's."""
    links: Links = {}
    rest, real = _parts(path), "/"
    while rest:
        here = os.path.join(real, rest.pop(0))
        try:
            target = os.readlink(here)
        except OSError:
            real = here
            continue
        if len(links) >= MOST_LINKS or any(here.startswith(f"{each}/") for each in changeable):
            return None
        links[here] = target
        onward = os.path.normpath(os.path.join(real, target))
        rest, real = [*_parts(onward), *rest], "/"
    return real, links


def _parts(path: str) -> list[str]:
    return [part for part in os.path.normpath(path).split("/") if part]


def within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path leads into one of these folders, given by their real paths, or to one of them."""
    real = os.path.realpath(path)
    return any(real == folder or real.startswith(f"{folder.rstrip('/')}/") for folder in folders)
