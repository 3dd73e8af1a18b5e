"""`codencer start`, `stop`, `ps`: the daemon of this repository and the agents it looks after."""

from typing import Any

import click

from codencer.cli.face import Face, short
from codencer.cli.group import Verb
from codencer.client.daemon import PREFIX, Daemon, path
from codencer.client.find import answering, listens
from codencer.client.http import Endpoint
from codencer.errors import Conflict, DaemonUnreachable, IncompatibleVersion
from codencer.locate import read_descriptor, registered

AT_WORK = ("dispatching", "running", "collecting_artifacts", "validating")
_FINISHED_RUNS = ("completed", "failed", "cancelled")


@click.command(cls=Verb)
@click.option("--simulation", is_flag=True, help="Replace every agent by the scripted one.")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port; 0 takes a free one.")
@click.option("--host", help="Loopback address.")
@click.pass_obj
def start(face: Face, simulation: bool, port: int | None, host: str | None) -> None:
    """Start the daemon of this repository, detached from this terminal."""
    from codencer.client.start import ensure_started

    flags = ["--simulation"] if simulation else []
    flags += [] if port is None else ["--port", str(port)]
    flags += [] if host is None else ["--host", host]
    found, started = ensure_started(face.repository, flags)
    if not started and _differs(found, simulation, port):
        raise Conflict(
            f"a daemon runs already (process {found.pid}, {found.execution_mode} mode, port {found.port}); "
            "`codencer stop` ends it"
        )
    if not started:
        face.hint("it runs already")
    face.show(
        {"started": started, "pid": found.pid, "port": found.port, "base_url": found.base_url}
        | {"socket": found.socket, "execution_mode": found.execution_mode},
        (("daemon", f"process {found.pid}, {found.execution_mode} mode"), ("address", found.base_url)),
    )


def _differs(found: Any, simulation: bool, port: int | None) -> bool:
    return (simulation and found.execution_mode != "simulation") or port not in (None, 0, found.port)


@click.command(cls=Verb)
@click.option("--kill", is_flag=True, help="First cancel every unsettled step, so that no agent goes on.")
@click.pass_obj
def stop(face: Face, kill: bool) -> None:
    """Stop the daemon of this repository; its agents go on and are found again at the next start."""
    pid, agents = halt(face, kill=kill)
    face.show(
        {"stopped": pid is not None, "pid": pid, "agents": agents},
        (("stopped", f"process {pid}"),) if pid is not None else (),
    )
    if pid is None:
        face.hint("no daemon runs here")
    for step in agents:
        face.hint(f"goes on: {step['id']} ({step['run_id']}/{step['name']}, {step['adapter']})")
    if agents:
        face.hint("`codencer start` takes them up again")


def halt(face: Face, *, kill: bool) -> tuple[int | None, list[dict[str, Any]]]:
    """Stop the daemon; its process id, None if there was none, and the steps whose agents go on.

    With `kill` none goes on.
    """
    from codencer.client.stop import stop as stop_daemon

    descriptor = read_descriptor(face.repository.common_dir)
    if descriptor is None or not listens(descriptor):
        return None, []
    agents = _agents(face, kill)
    return stop_daemon(descriptor.socket), agents


def _agents(face: Face, kill: bool) -> list[dict[str, Any]]:
    """The steps whose agents go on; of a daemon we cannot talk to, they are not known.

    Raises:
        IncompatibleVersion: agents were to be stopped, and only the daemon's own version can do that.
    """
    try:
        found = answering(face.repository)
        daemon = Daemon(Endpoint(unix=found.socket if found else ""))
        if kill:
            _cancel_all(face, daemon)
        return [step for step in unsettled(daemon) if step["state"] in AT_WORK]
    except (DaemonUnreachable, IncompatibleVersion) as problem:
        if kill:
            raise
        face.hint(f"its agents, if any, go on; which ones cannot be told: {problem.message}")
        return []


def _cancel_all(face: Face, daemon: Daemon) -> None:
    from codencer.client.wait import wait_for_step

    cancelled = []
    for step in unsettled(daemon):
        try:
            daemon.post(path("steps", step["id"], "cancel"))
            cancelled.append(step["id"])
        except Conflict:
            continue  # it settled meanwhile
    for step_id in cancelled:
        wait_for_step(daemon, step_id)
        face.hint(f"cancelled {step_id}; its work is kept as a snapshot")


def unsettled(daemon: Daemon) -> list[dict[str, Any]]:
    """Every unsettled step of every run that is not finished."""
    runs = daemon.get(f"{PREFIX}/runs")
    open_runs = [run["id"] for run in runs if run["steps_unsettled"] or run["state"] not in _FINISHED_RUNS]
    steps = (step for run in open_runs for step in daemon.get(path("runs", run, "steps")))
    return [step for step in steps if not step["settled"]]


@click.command(cls=Verb)
@click.option("--all", "everywhere", is_flag=True, help="Show the daemons of every repository instead.")
@click.pass_obj
def ps(face: Face, everywhere: bool) -> None:
    """Show the steps that are queued or at work here. Starts no daemon."""
    if everywhere:
        found = [each for each in registered() if listens(each)]
        rows = [(each.pid, each.port, each.execution_mode, each.repo_root) for each in found]
        head = ("PID", "PORT", "MODE", "REPOSITORY")
        values = [dict(zip(("pid", "port", "execution_mode", "repo_root"), row, strict=True)) for row in rows]
        face.listing(values, head, rows)
        return
    face.autostart = False
    steps = unsettled(face.daemon())
    shown = (
        (short(each["id"]), each["run_id"], each["state"], each["adapter"], each["title"]) for each in steps
    )
    face.listing(steps, ("STEP", "RUN", "STATE", "ADAPTER", "TITLE"), shown)
