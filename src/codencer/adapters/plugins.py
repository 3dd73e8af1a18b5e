"""Adapters of other packages, registered under the entry-point group `codencer.adapters`.

Their code is loaded only when an adapter of that name is asked for, and is kept at arm's length: it may
fail to import, raise, or not be an adapter at all, and nothing but its own attempts takes harm. Which
packages there are is looked up once: the daemon sees one that is installed later at its next start.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from codencer.adapters.command import conclude
from codencer.adapters.fragment import read_fragment
from codencer.adapters.lines import shortened
from codencer.errors import CodencerError, InvalidInput, LaunchFailed, NotSupported
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.codec import decode, encode
from codencer.model.ids import check_name
from codencer.model.launch import ExitRecord, Launch
from codencer.model.ports import Adapter, Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

GROUP = "codencer.adapters"
LONGEST_PROBLEM = 400
"""Characters of what went wrong in somebody else's code."""
_MEMBERS = ("settings", "resumes", "probe", "launch", "parser")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One name, and the packages that offer an adapter for it (`heron 1.2`): more than one is too many."""

    name: str
    packages: tuple[str, ...]
    entry: EntryPoint

    @property
    def source(self) -> str:
        return f"package {' and '.join(self.packages)}"


@cache
def plugins() -> Mapping[str, Plugin]:
    """Everything that installed packages offer, by name; nothing of it has been loaded."""
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=GROUP):
        package = (
            f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "of an unknown name"
        )
        before = found.get(entry.name)
        packages = (*before.packages, package) if before is not None else (package,)
        found[entry.name] = Plugin(name=entry.name, packages=packages, entry=entry)
    return found


def load_plugin(plugin: Plugin, settings: AdapterSettings | None, checkout: Path | None) -> Adapter:
    """Import a plugin and make its adapter.

    Raises:
        InvalidInput: the name or the settings do not fit. LaunchFailed: it cannot be used; says why.
    """
    check_name(plugin.name, f"the adapter that {plugin.source} offers")
    if len(plugin.packages) > 1:
        raise LaunchFailed(
            f"adapter {plugin.name!r} is offered by more than one {plugin.source}: uninstall all but one"
        )
    make: object = _guarded(plugin, "being imported", plugin.entry.load)
    if not callable(make):
        raise LaunchFailed(
            f"adapter {plugin.name!r} of {plugin.source}: {plugin.entry.value} is not a function "
            "make(name, settings, checkout)"
        )
    adapter = _guarded(plugin, "making it", partial(make, plugin.name, settings, checkout))
    missing = _guarded(
        plugin, "being looked at", lambda: [each for each in _MEMBERS if not hasattr(adapter, each)]
    )
    if missing:
        raise LaunchFailed(
            f"adapter {plugin.name!r} of {plugin.source} is no adapter: it lacks {', '.join(missing)}"
        )
    return _Guarded(plugin, adapter)


def _guarded(plugin: Plugin, doing: str, call: Callable[[], T]) -> T:
    """Call what is not ours; the only place that takes whatever it raises.

    Raises:
        InvalidInput: its own word for settings or a prompt that do not fit. LaunchFailed: anything else.
    """
    try:
        return call()
    except InvalidInput:
        raise
    except (Exception, SystemExit) as problem:
        raise LaunchFailed(
            f"adapter {plugin.name!r} of {plugin.source} failed while {doing}: "
            f"{shortened(repr(problem), LONGEST_PROBLEM)}. "
            "Nothing else is affected; mend or uninstall the package and restart the daemon"
        ) from problem


def _checked(plugin: Plugin, doing: str, call: Callable[[], object], kind: type[T]) -> T:
    """The same, for an answer that has to be of a certain kind."""
    answer = _guarded(plugin, doing, call)
    if isinstance(answer, kind):
        return answer
    raise LaunchFailed(
        f"adapter {plugin.name!r} of {plugin.source} failed while {doing}: it gave "
        f"{type(answer).__name__}, not {kind.__name__}"
    )


class _Guarded:
    """An adapter of somebody else's: whatever it raises becomes an error of ours."""

    def __init__(self, plugin: Plugin, inner: Adapter) -> None:
        self._plugin, self._inner = plugin, inner

    @property
    def settings(self) -> AdapterSettings:
        return _checked(self._plugin, "telling its settings", lambda: self._inner.settings, AdapterSettings)

    @property
    def resumes(self) -> bool:
        return _guarded(self._plugin, "saying whether it resumes", lambda: self._inner.resumes) is True

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        return _checked(self._plugin, "looking for its agent", lambda: self._inner.probe(environ), Probe)

    def launch(self, assignment: Assignment) -> Launch:
        doing = "saying how it is started"
        launch = _checked(self._plugin, doing, lambda: self._inner.launch(assignment), Launch)
        if launch.two_way:
            raise NotSupported(
                f"adapter {self._plugin.name!r} of {self._plugin.source} wants to speak with its agent while "
                "it runs, which only adapters of Codencer's own can"
            )
        return launch

    def parser(self) -> Parser:
        return _GuardedParser(self._plugin, self._inner)


class _GuardedParser:
    """What cannot be parsed is the adapter's failure: the attempt ends, with its work kept, as malformed."""

    def __init__(self, plugin: Plugin, adapter: Adapter) -> None:
        self._plugin = plugin
        self._problem = ""
        self._inner: object = None
        try:
            self._inner = _guarded(plugin, "making its parser", adapter.parser)
        except CodencerError as problem:
            self._problem = problem.message

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        if self._problem:
            return ()
        try:
            return _guarded(self._plugin, "reading the output", lambda: _events(self._inner, data))
        except CodencerError as problem:
            self._problem = problem.message
            wrong: dict[str, object] = {"kind": ErrorKind.MALFORMED.value, "final": True}
            return (AgentEvent(kind=AgentEventKind.ERROR, text=problem.message, data=wrong),)

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        if not self._problem:
            try:
                return _guarded(
                    self._plugin,
                    "concluding",
                    lambda: _outcome(self._inner, exit, fragment, report),
                )
            except CodencerError as problem:
                self._problem = problem.message
        settings = AdapterSettings(name=self._plugin.name)
        ending, kind, error = conclude(settings, exit, read_fragment(fragment))
        if ending is Ending.SUCCEEDED:
            ending, kind, error = Ending.BROKEN, ErrorKind.MALFORMED, self._problem
        return AgentOutcome(ending=ending, error_kind=kind, error=error, warnings=(self._problem,))


def _events(parser: Any, data: bytes) -> Sequence[AgentEvent]:
    """The events of somebody else's parser, each one checked."""
    events = tuple(parser.feed(data))
    for each in events:
        if not _is_event(each):
            raise TypeError(f"{each!r} is no AgentEvent")
    return events


def _is_event(value: object) -> bool:
    if not isinstance(value, AgentEvent):
        return False
    parts: tuple[tuple[object, type], ...] = (
        (value.kind, AgentEventKind),
        (value.text, str),
        (value.data, dict),
    )
    return all(isinstance(part, kind) for part, kind in parts)


def _outcome(
    parser: Any, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None
) -> AgentOutcome:
    """Its conclusion, which has to fit into the record."""
    return decode(AgentOutcome, encode(parser.finish(exit, fragment, report)))
