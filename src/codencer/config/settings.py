"""The table of settings: name, kind, default, and who may set each.

Adding a setting is one entry here and one field in `config.Config`.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from codencer.config.kinds import AtOnce, Choice, Host, Kind, Name, Number, Parallel, Switch, Text
from codencer.locate import Repository

_LOOPBACK = r"(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|{six})"
_LOOPBACK_HOST = re.compile(_LOOPBACK.format(six="::1") + r"\Z")
_LOOPBACK_URL = re.compile(r"http://" + _LOOPBACK.format(six=r"\[::1\]") + r"(:[0-9]{1,5})?/?\Z")


class FromProject(StrEnum):
    """Whether files of the repository may set it; anybody may have written those files."""

    FREELY = "freely"
    NARROWLY = "narrowly"
    """In `.env` only, and only values that `Setting.narrow` has nothing against."""
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`former` are the predecessor's variables."""

    name: str
    kind: Kind
    default: object
    former: tuple[str, ...] = ()
    project: FromProject = FromProject.FREELY
    narrow: Callable[[str, Repository], str | None] = lambda _value, _repository: None
    is_path: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The names it has in the environment; the first one that is set wins."""
        return (f"CODENCER_{self.name.upper()}", *self.former)


def _only_loopback(value: str, _repository: Repository) -> str | None:
    if _LOOPBACK_HOST.match(value) or _LOOPBACK_URL.match(value):
        return None
    return "a file of the repository may only name this machine itself (127.0.0.1, ::1 or localhost)"


def _only_inside(value: str, repository: Repository) -> str | None:
    path = _resolved(value, repository)
    inside = path != repository.top and path.is_relative_to(repository.top)
    if inside and ".git" not in path.relative_to(repository.top).parts:
        return None
    return "a file of the repository may only name a place inside the checkout"


def _only_itself(value: str, repository: Repository) -> str | None:
    if _resolved(value, repository) == repository.top:
        return None
    return "a file of the repository may only name its own checkout"


def _resolved(value: str, repository: Repository) -> Path:
    return Path(os.path.realpath(repository.top / Path(value).expanduser()))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_USUAL_PARALLEL = max(2, _cores())
_NARROWLY, _NEVER = FromProject.NARROWLY, FromProject.NEVER
_LEVELS = Choice(("debug", "info", "warning", "error"), {"warn": "warning"})

_ALL = (
    Setting(
        name="host",
        kind=Host(),
        default="127.0.0.1",
        former=("HOST",),
        project=_NARROWLY,
        narrow=_only_loopback,
    ),
    Setting(name="port", kind=Number(0, 65535), default=8085, former=("PORT",)),
    Setting(
        name="url",
        kind=Text(),
        default=None,
        former=("ORCHESTRATORD_URL",),
        project=_NARROWLY,
        narrow=_only_loopback,
    ),
    Setting(name="log_level", kind=_LEVELS, default="info", former=("LOG_LEVEL",)),
    Setting(
        name="db_path",
        kind=Text(),
        default=None,
        former=("DB_PATH",),
        project=_NARROWLY,
        narrow=_only_inside,
        is_path=True,
    ),
    Setting(
        name="artifact_root",
        kind=Text(),
        default=None,
        former=("ARTIFACT_ROOT",),
        project=_NARROWLY,
        narrow=_only_inside,
        is_path=True,
    ),
    Setting(
        name="workspace_root",
        kind=Text(),
        default=None,
        former=("WORKSPACE_ROOT",),
        project=_NEVER,
        is_path=True,
    ),
    Setting(
        name="repo_root",
        kind=Text(),
        default=None,
        former=("REPO_ROOT",),
        project=_NARROWLY,
        narrow=_only_itself,
        is_path=True,
    ),
    Setting(name="default_adapter", kind=Name(), default=None),
    Setting(name="default_policy", kind=Name(), default="basic"),
    Setting(
        name="max_parallel",
        kind=Parallel(Number(1, 1024), _USUAL_PARALLEL),
        default=AtOnce(overall=_USUAL_PARALLEL),
    ),
    Setting(name="memory_floor_mb", kind=Number(0, 2**24), default=0),
    Setting(name="memory_cap_mb", kind=Number(0, 2**24), default=0),
    Setting(name="scope_watch", kind=Choice(("off", "warn", "stop")), default="off"),
    Setting(name="retention_days", kind=Number(0, 36500), default=30, project=_NEVER),
    Setting(name="gate_days", kind=Number(0, 36500), default=0, project=_NEVER),
    Setting(name="grace_seconds", kind=Number(0, 3600), default=10),
    Setting(name="max_output_bytes", kind=Number(1024, 2**50), default=2 * 1024**3),
    Setting(name="trust", kind=Choice(("ask", "always")), default="ask", project=_NEVER),
    Setting(name="sandbox", kind=Choice(("auto", "bwrap", "none")), default="auto", project=_NEVER),
    Setting(
        name="simulation",
        kind=Switch(),
        default=False,
        former=("ALL_ADAPTERS_SIMULATION_MODE",),
        project=_NARROWLY,
    ),
)

SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _ALL}

PER_SUBMISSION = ("default_adapter", "default_policy", "scope_watch")
"""Read again, with the adapters, from the caller's checkout at every submission."""
