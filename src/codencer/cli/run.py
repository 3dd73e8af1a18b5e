"""`codencer run …`: start, list, wait for and end runs."""

from typing import Any

import click

from codencer.cli.exits import exit_code_for_run
from codencer.cli.face import Face
from codencer.cli.group import VerbGroup
from codencer.cli.show import RUN_HEAD, run_fields, run_row
from codencer.client.daemon import PREFIX, path
from codencer.errors import InvalidInput

LIMITS = ("cost_usd", "tokens", "seconds")
ACTIONS = click.Choice(["pause", "fail"])
LONGEST_NUMBER = 16


@click.group(cls=VerbGroup)
def run() -> None:
    """Start, list, wait for and end runs."""


@run.command()
@click.argument("run_id", metavar="[ID]", required=False)
@click.argument("project_id", metavar="[PROJECT]", required=False)
@click.option("--project", help="Label, the same as PROJECT.")
@click.option("--conversation", default="", help="Label.")
@click.option("--planner", default="", help="Label.")
@click.option("--executor", default="", help="Label.")
@click.option("--budget-cost-usd", metavar="USD", help="What all attempts may cost together.")
@click.option("--budget-tokens", type=click.IntRange(min=0), help="Tokens they may use, in and out.")
@click.option("--budget-seconds", type=click.IntRange(min=0), help="How long agents may be at work.")
@click.option("--budget-action", type=ACTIONS, help="What then becomes of the run; else pause.")
@click.pass_obj
def start(
    face: Face,
    /,
    run_id: str | None,
    project_id: str | None,
    project: str | None,
    **given: Any,
) -> None:
    """Start a run; without an ID one is chosen."""
    if project_id and project and project_id != project:
        raise InvalidInput(f"the project is given twice: {project_id} and {project}")
    limits = {name: given.pop(f"budget_{name}") for name in (*LIMITS, "action")}
    budget = {name: value for name, value in limits.items() if value is not None}
    if budget.keys() == {"action"}:
        raise InvalidInput("--budget-action goes with a limit: --budget-cost-usd, -tokens or -seconds")
    body = {"id": run_id, "project_id": project_id or project or "", **given, "budget": budget or None}
    started = face.daemon().post(f"{PREFIX}/runs", body)
    face.show(started, run_fields(started))


@run.command("list")
@click.option("--project")
@click.option("--conversation")
@click.option("--state")
@click.pass_obj
def list_(face: Face, project: str | None, conversation: str | None, state: str | None) -> None:
    """List runs, oldest first."""
    query = {"project": project, "conversation": conversation, "state": state}
    runs = face.daemon().get(f"{PREFIX}/runs", query)
    face.listing(runs, RUN_HEAD, map(run_row, runs))


@run.command()
@click.argument("run")
@click.pass_obj
def state(face: Face, run: str) -> None:
    """Show the state of RUN."""
    found = face.daemon().get(path("runs", run))
    face.show(found, run_fields(found))


@run.command()
@click.argument("run")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds; then exit 3, and the run goes on.")
@click.pass_obj
def wait(face: Face, run: str, timeout: float | None) -> int:
    """Wait until no step of RUN is unsettled; the code is the one that finishing would give."""
    from codencer.cli.exits import exit_code_for_steps
    from codencer.cli.waiting import interrupted
    from codencer.client.wait import wait_for_run

    daemon = face.daemon()

    def away() -> None:
        face.hint("the daemon went away; waiting for it to come back (its agents go on)")

    said: set[str] = set()

    def moved(now: dict[str, Any]) -> None:
        """A run that is paused may be waited for in vain."""
        reason = f": {now['reason']}" if now["reason"] != "paused" else ""
        if now["state"] == "paused" and now["steps_unsettled"] and reason not in said:
            said.add(reason)
            face.hint(f"run {now['id']} is paused{reason}. To go on: codencer run resume {now['id']}")

    try:
        found = wait_for_run(daemon, run, timeout=timeout, away=away, moved=moved)
    except KeyboardInterrupt:
        interrupted(face, f"run {run} goes on", f"codencer run wait {run}", run)
    face.show(found, run_fields(found))
    if found["state"] in ("completed", "failed", "cancelled", "paused_for_gate"):
        return exit_code_for_run(found["state"])
    steps = daemon.get(path("runs", run, "steps"))
    return exit_code_for_steps([each["state"] for each in steps])


@run.command()
@click.argument("run")
@click.option("--when-idle", is_flag=True, help="Wait until no step is unsettled first.")
@click.pass_obj
def finish(face: Face, run: str, when_idle: bool) -> int:
    """Finish RUN: it takes no more steps, and is completed if all of its steps are."""
    daemon = face.daemon()
    if when_idle:
        from codencer.client.wait import wait_for_run

        wait_for_run(daemon, run)
    changed = daemon.call("PATCH", path("runs", run), body={"action": "finish"})
    face.show(changed, run_fields(changed))
    return exit_code_for_run(changed["state"])


@run.command()
@click.argument("run")
@click.pass_obj
def abort(face: Face, run: str) -> None:
    """Stop everything in RUN; what its agents did so far is kept as snapshots."""
    _change(face, run, "abort")


@run.command()
@click.argument("run")
@click.pass_obj
def pause(face: Face, run: str) -> None:
    """Begin no more steps of RUN; those at work go on."""
    _change(face, run, "pause")


@run.command()
@click.argument("run")
@click.pass_obj
def resume(face: Face, run: str) -> None:
    """Go on with RUN."""
    _change(face, run, "resume")


@run.command()
@click.argument("run")
@click.option("--cost-usd", metavar="USD|none", help="What all attempts may cost together.")
@click.option("--tokens", metavar="N|none", help="Tokens they may use, in and out.")
@click.option("--seconds", metavar="N|none", help="How long agents may be at work.")
@click.option("--action", type=ACTIONS, help="What becomes of the run when it is used up.")
@click.option("--accept-unknown", is_flag=True, help="Go on although agents did not say what they used.")
@click.pass_obj
def budget(face: Face, /, run: str, accept_unknown: bool, **given: str | None) -> None:
    """Change what RUN may use up; what is not named stays. A paused run is then resumed by `run resume`."""
    daemon = face.daemon()
    found = daemon.get(path("runs", run))
    wanted = {name: (found["budget"] or {}).get(name) for name in LIMITS}
    wanted["action"] = given.pop("action") or (found["budget"] or {}).get("action", "pause")
    wanted |= {name: _limit(name, value) for name, value in given.items() if value is not None}
    body = {"action": "budget", "budget": wanted | {"accept_unknown": accept_unknown}}
    changed = daemon.call("PATCH", path("runs", found["id"]), body=body)
    face.show(changed, run_fields(changed))
    if changed["state"] == "paused":
        face.hint(f"it is still paused: codencer run resume {found['id']}")


def _limit(name: str, text: str) -> str | int | None:
    if text == "none":
        return None
    if name == "cost_usd":
        return text
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise InvalidInput(f"--{name} must be a whole number or none, not {text!a}")
    return int(text)


def _change(face: Face, run: str, action: str) -> None:
    changed = face.daemon().call("PATCH", path("runs", run), body={"action": action})
    face.show(changed, run_fields(changed))
