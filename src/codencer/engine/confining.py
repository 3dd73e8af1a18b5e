"""What the launches of an attempt may see in a sandbox, and whether they run in one.

Only here is known where workspaces, objects, state and the user's checkouts lie. What the bridge itself
keeps is sealed: no list of a person's or an adapter's opens it, only a folder that holds it, and of that
it is left out. Hook, agent and validations of an attempt are confined alike, or none of them.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from codencer.engine.rooms import Trip
from codencer.errors import LaunchFailed
from codencer.locate import socket_path, user_state_dir
from codencer.model.launch import Confinement, Launch, TrustLevel
from codencer.model.step import SandboxMode
from codencer.process.confined import is_confined
from codencer.process.mounts import within
from codencer.process.toolchains import tool_chains
from codencer.workspace.borrowed import object_folders, worktrees

_OF_THE_USER = ("~/.gitconfig", "${XDG_CONFIG_HOME:-~/.config}/git")
"""Who commits, and how: no agent need sign in for it."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^${}]*))?\}")


def is_to_confine(trip: Trip) -> bool:
    """Whether what this attempt starts now runs in a sandbox.

    Raises:
        LaunchFailed: it has to, and there is none.
    """
    wanted, problem = trip.step.frozen.sandbox, trip.rooms.sandbox.problem
    if wanted is SandboxMode.BWRAP and problem:
        raise LaunchFailed(
            f"sandbox = bwrap, and there is no sandbox: {problem}. Nothing was started; mend it and retry, "
            "or submit the task again with sandbox = auto"
        )
    return wanted is not SandboxMode.NONE and not problem


def level_of(trip: Trip, confinement: Confinement | None) -> TrustLevel:
    """The level of an attempt whose agent is about to be started; one launch outside makes it plain."""
    folders = trip.rooms.layout.attempt_folder(trip.attempt.id).glob("*/launch.json")
    inside = confinement is not None and all(is_confined(each.parent) for each in folders)
    return TrustLevel.SANDBOXED if inside else TrustLevel.PLAIN


def confined_hook(trip: Trip, workspace: Path, env: Mapping[str, str]) -> Confinement | None:
    return _confinement(trip, workspace, env) if is_to_confine(trip) else None


def confined_agent(trip: Trip, launch: Launch, env: Mapping[str, str], isolated: bool) -> Confinement | None:
    """Of an agent with a home folder of its own nothing is opened in the user's."""
    if not is_to_confine(trip):
        return None
    layout, attempt = trip.rooms.layout, trip.attempt
    own = [layout.returned(attempt.id), *([layout.home(trip.step.id)] if isolated else [])]
    shown = layout.exchange(attempt.id)
    if isolated:
        launch = replace(launch, reads=(), writes=(), copies=())
    sealed = _sealed(trip)
    for each in launch.writes:
        if each.endswith("/") and (path := _expanded(each, env)) and not within(path, sealed):
            with suppress(OSError):  # a folder that cannot be made is not there for the agent either
                os.makedirs(path, 0o700, exist_ok=True)
    return _confinement(trip, trip.workspace, env, own, shown, launch)


def confined_validation(trip: Trip, workspace: Path, env: Mapping[str, str]) -> Confinement | None:
    """As its agent was: what a plain agent left behind is not to be told from what the bridge laid out.

    Raises:
        LaunchFailed: its agent was confined, and there is no sandbox any more.
    """
    if trip.attempt.trust_level != TrustLevel.SANDBOXED:
        return None
    if problem := trip.rooms.sandbox.problem:
        raise LaunchFailed(f"its agent ran in a sandbox, which is gone: {problem}")
    return _confinement(trip, workspace, env)


def _confinement(
    trip: Trip,
    workspace: Path,
    env: Mapping[str, str],
    own: Iterable[Path] = (),
    shown: Path | None = None,
    launch: Launch | None = None,
) -> Confinement:
    sealed, checkouts = _sealed(trip), _checkouts(trip)
    settings = trip.step.frozen.agent(trip.attempt.fallback)
    top = trip.step.frozen.checkout

    def opened(paths: Iterable[str]) -> Iterator[str]:
        for each in paths:
            if (expanded := _expanded(each, env)) and not within(os.path.join(top, expanded), sealed):
                yield os.path.join(top, expanded)

    named = [word.rpartition("=")[2] for word in (*settings.command, *settings.arguments)]
    words = [each for each in (*named, settings.program) if os.path.isabs(each)]
    launch = launch or Launch(argv=("/bin/sh",))
    program = shutil.which(launch.argv[0], path=env.get("PATH"))
    tools = tool_chains(env, (*words, *([program] if program else ())), (*sealed, *checkouts))
    objects = object_folders(trip.rooms.store.common_dir)
    return Confinement(
        read=(
            *opened((*_OF_THE_USER, *words, *launch.reads, *settings.read)),
            *(each for each in tools if not within(each, sealed)),
            *_linked(trip),
            *map(os.fspath, objects),
            *([os.fspath(shown)] if shown is not None else []),
        ),
        write=(*opened((*launch.writes, *settings.write)), os.fspath(workspace), *map(os.fspath, own)),
        private=tuple(path for name in ("HOME", "TMPDIR") if os.path.isabs(path := env.get(name, ""))),
        copied=tuple(opened(launch.copies)),
        hidden=(*sealed, *checkouts),
    )


def _sealed(trip: Trip) -> tuple[str, ...]:
    """What the bridge keeps, by real paths: ledger, evidence, launches, token, sockets, workspaces, git."""
    rooms, config = trip.rooms, trip.rooms.config
    repository = config.repository
    ledger = os.fspath(config.db_path)
    folders = (
        *(rooms.layout.state, rooms.layout.artifacts, rooms.layout.workspaces.parent),
        *(repository.common_dir, repository.git_dir, config.workspace_root, config.config_dir),
        *(user_state_dir(rooms.environ), socket_path(rooms.instance_id, rooms.environ).parent),
    )
    files = (ledger, f"{ledger}-wal", f"{ledger}-shm")
    return (*(os.path.realpath(each) for each in folders), *(os.path.realpath(each) for each in files))


def _checkouts(trip: Trip) -> tuple[str, ...]:
    """The user's work trees of this repository, by their real paths."""
    repository = trip.rooms.config.repository
    found = (repository.top, Path(trip.step.frozen.checkout), *worktrees(repository.common_dir))
    return tuple(map(os.path.realpath, found))


def _linked(trip: Trip) -> list[str]:
    """What provisioning links into workspaces, as far as it really lies in the checkout.

    Anybody may have written both the list and the files: it opens nothing elsewhere.
    """
    top = trip.step.frozen.checkout
    paths = (os.path.join(top, each) for each in trip.step.frozen.provisioning.symlinks)
    return [path for path in paths if within(path, (os.path.realpath(top),))]


def _expanded(path: str, env: Mapping[str, str]) -> str:
    """A path with its variables and its `~` replaced; empty when one of them means nothing."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        text = env.get(found[1], "") or found[2]
        missing = missing or not text
        return text or ""

    # From the inside out, once for each that is written here: a value may look like a variable, too.
    for _ in range(path.count("${")):
        path = _VARIABLE.sub(value, path)
    home = env.get("HOME", "")
    if path == "~" or path.startswith("~/"):
        path, missing = home + path[1:], missing or not home
    return "" if missing else path
