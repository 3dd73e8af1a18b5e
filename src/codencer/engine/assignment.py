"""What an agent is told and given: the assignment for its adapter, and the order for the launcher."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from codencer.adapters import load
from codencer.adapters.prompt import build_prompt
from codencer.engine import homes
from codencer.engine.briefing import Briefing, write_briefing
from codencer.engine.confining import confined_agent
from codencer.engine.continuing import home_kind
from codencer.engine.environment import for_agent
from codencer.engine.launching import marker_of
from codencer.engine.memory_cap import MIB
from codencer.engine.pausing import resumed, seconds_left
from codencer.engine.rooms import Trip
from codencer.model.codec import encode
from codencer.model.launch import Launch, Limits
from codencer.model.ports import Adapter, Assignment, Probe
from codencer.model.task import TaskSpec
from codencer.process.launches import Order

RESULT, REPORT = "result.json", "report.json"
"""Files that the agent may leave in the folder for what it gives back."""


def _told(task: TaskSpec) -> TaskSpec:
    """The task without what is hidden from the agent."""
    return replace(task, validations=tuple(each for each in task.validations if not each.hidden))


def adapter_of(trip: Trip) -> Adapter:
    """The adapter of this attempt, with the settings that were frozen at submission.

    Raises:
        NotFound, InvalidInput: it is gone, or does not take these settings any more.
    """
    frozen, attempt = trip.step.frozen, trip.attempt
    return load(attempt.adapter, frozen.agent(attempt.fallback), checkout=Path(frozen.checkout))


def look(trip: Trip, adapter: Adapter) -> Probe:
    """What the adapter says of its agent, in the environment that it would get.

    Raises:
        Conflict: the agent is to have a home of its own, in a place where some do not work.
    """
    environ = surroundings(trip.rooms.environ, trip.rooms.config.private_environment())
    if adapter.settings.isolated_home:
        home = trip.rooms.layout.home(trip.step.id)
        homes.check_place(home, environ)
        environ = homes.without_homes(environ, adapter.settings.env) | homes.variables(home)
    return adapter.probe(environ)


def surroundings(environ: Mapping[str, str], private: Mapping[str, str]) -> dict[str, str]:
    """Everything that an agent's environment may be taken from; the user's private file wins."""
    return {**environ, **private}


def assignment_of(trip: Trip) -> Assignment:
    """What the agent of this attempt is told; the same whenever it is asked, and nothing is written."""
    step, attempt, layout = trip.step, trip.attempt, trip.rooms.layout
    exchange, continuation = layout.exchange(attempt.id), trip.continuation
    session, workspace = continuation.session_id, layout.workspace(attempt.id)
    new = Assignment(
        task=_told(step.task),
        prompt=build_prompt(
            step.task, attempt.feedback, continuation.before, resumed_in=workspace if session else None
        ),
        workspace=workspace,
        task_file=exchange / "task.json",
        prompt_file=exchange / "prompt.txt",
        result_file=layout.returned(attempt.id) / RESULT,
        report_file=layout.returned(attempt.id) / REPORT,
        session_id=session,
    )
    return resumed(attempt, new)


def order_for(trip: Trip, adapter: Adapter, name: str) -> Order:
    """Write the files that the agent is given, and return what is to be started.

    Raises:
        InvalidInput: a variable that the agent needs is not set, or the prompt cannot be passed.
    """
    layout, step, attempt = trip.rooms.layout, trip.step, trip.attempt
    for folder in (layout.exchange(attempt.id), layout.returned(attempt.id)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    assignment = assignment_of(trip)
    _write(assignment.task_file, json.dumps(encode(assignment.task), indent=2))
    _write(assignment.prompt_file, assignment.prompt)
    # What it reported before a pause is in the record of that pause.
    assignment.report_file.unlink(missing_ok=True)
    launch = adapter.launch(assignment)
    env = _environment(trip, adapter, launch) | {
        "CODENCER_TASK_FILE": os.fspath(assignment.task_file),
        "CODENCER_RESULT_FILE": os.fspath(assignment.result_file),
    }
    write_briefing(
        trip,
        Briefing(
            session_id=assignment.session_id,
            home=home_kind(adapter),
            warnings=trip.probe.warnings if trip.probe is not None else (),
        ),
    )
    return Order(
        launch=launch,
        limits=Limits(
            wall_seconds=seconds_left(step, attempt),
            idle_seconds=step.task.idle_timeout_seconds,
            output_bytes=step.frozen.max_output_bytes,
            grace_seconds=step.frozen.grace_seconds,
        ),
        cwd=assignment.workspace,
        env=env,
        marker=marker_of(trip, layout.launch(attempt.id, name)),
        two_way=launch.two_way,
        memory_bytes=step.frozen.memory_cap_mb * MIB,
        confinement=confined_agent(trip, launch, env, adapter.settings.isolated_home),
    )


def _write(path: Path, text: str) -> None:
    """Make a file anew: whatever is there may be a link of an agent's that goes on after a pause."""
    path.unlink(missing_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)


def _environment(trip: Trip, adapter: Adapter, launch: Launch) -> dict[str, str]:
    """What the agent's environment is taken from the daemon's and the user's private file."""
    private = trip.rooms.config.private_environment()
    env = for_agent(trip.rooms.environ, private, launch.env_names, launch.env_optional)
    if adapter.settings.isolated_home:
        home = trip.rooms.layout.home(trip.step.id)
        homes.make_home(home)
        return homes.without_homes(env, adapter.settings.env) | launch.env | homes.variables(home)
    return env | launch.env
