"""`codencer step …`: look at steps, wait for them, cancel and retry."""

from typing import Any

import click

from codencer.cli.exits import exit_code_for
from codencer.cli.face import Face
from codencer.cli.group import VerbGroup
from codencer.cli.questions import answer, questions
from codencer.client.daemon import path
from codencer.errors import InvalidInput, NotFound


@click.group(cls=VerbGroup)
def step() -> None:
    """Look at steps, wait for them, cancel and retry.

    STEP is an id, the end of one (at least 4 characters), RUN/NAME, or `latest`.
    """


@step.command("list")
@click.argument("run")
@click.pass_obj
def list_(face: Face, run: str) -> None:
    """List the steps of RUN in the order of their submission."""
    from codencer.cli.show import STEP_HEAD, step_row

    steps = face.daemon().get(path("runs", run, "steps"))
    face.listing(steps, STEP_HEAD, map(step_row, steps))


@step.command()
@click.argument("step")
@click.pass_obj
def state(face: Face, step: str) -> None:
    """Show the state of STEP."""
    from codencer.cli.show import step_fields

    found = face.daemon().get(path("steps", step))
    face.show(found, step_fields(found))


@step.command()
@click.argument("step")
@click.pass_obj
def result(face: Face, step: str) -> None:
    """Show the result of STEP: what changed, what was validated, what was decided."""
    from codencer.cli.show import result_fields

    found = face.daemon().get(path("steps", step, "result"))
    face.show(found, result_fields(found))


@step.command()
@click.argument("step")
@click.option("--timeout", type=click.FloatRange(min=0), help="Seconds; then exit 3, and the step goes on.")
@click.pass_obj
def wait(face: Face, step: str, timeout: float | None) -> int:
    """Wait until STEP is settled; the exit code tells how it ended."""
    from codencer.cli.show import step_fields
    from codencer.cli.waiting import settle

    daemon = face.daemon()
    settled = settle(face, daemon, step, timeout)
    face.show(settled, step_fields(settled))
    if settled["state"] == "needs_approval":
        face.hint(f"to see what it asks: codencer step result {settled['id']}")
    return exit_code_for(settled["state"])


@step.command()
@click.argument("step")
@click.pass_obj
def cancel(face: Face, step: str) -> None:
    """Stop STEP and its whole process tree; its work so far is kept as a snapshot."""
    from codencer.cli.show import step_fields

    found = face.daemon().post(path("steps", step, "cancel"))
    face.show(found, step_fields(found))
    if not found["settled"]:
        face.hint(f"it is being stopped: codencer step wait {found['id']}")


@step.command()
@click.argument("step")
@click.option("--adapter", help="Another agent for this attempt.")
@click.option("--feedback", help="What the agent is told about the attempt before.")
@click.option("--force", is_flag=True, help="Also when it is completed.")
@click.option("--wait", "wait_", is_flag=True, help="Wait until it is settled.")
@click.pass_obj
def retry(face: Face, step: str, adapter: str | None, feedback: str | None, force: bool, wait_: bool) -> int:
    """Queue STEP, which must be settled, for another attempt from the same base."""
    from codencer.cli.show import step_fields, verdict
    from codencer.cli.waiting import settle

    daemon = face.daemon()
    body = {"adapter": adapter, "feedback": feedback, "force": force}
    found = daemon.post(path("steps", step, "retry"), body)
    if wait_:
        return verdict(face, daemon, settle(face, daemon, found["id"]))
    face.show(found, step_fields(found))
    return 0


step.add_command(questions)
step.add_command(answer)


@step.command()
@click.argument("step")
@click.option("--follow", "-f", is_flag=True, help="Until the agent has ended.")
@click.option("--stderr", is_flag=True, help="What it printed on its standard error instead.")
@click.option("--raw", is_flag=True, help="Its output byte for byte, control characters included.")
@click.pass_obj
def logs(face: Face, step: str, follow: bool, stderr: bool, raw: bool) -> None:
    """Print what the agent of STEP said and did."""
    from codencer.cli import logs

    if face.json and (follow or raw):
        raise InvalidInput("--json prints one finished document; it goes with neither --follow nor --raw")
    daemon = face.daemon()
    if raw:
        logs.print_raw(face, daemon, step, follow=follow, stderr=stderr)
    elif stderr:
        logs.print_stderr(face, daemon, step, follow=follow)
    else:
        logs.print_events(face, daemon, step, follow=follow)


@step.command()
@click.argument("step")
@click.pass_obj
def artifacts(face: Face, step: str) -> None:
    """List the files of evidence of STEP with size and SHA-256."""
    daemon = face.daemon()
    found = daemon.get(path("steps", step, "artifacts"))
    rows = ((each["name"], each["size"], each["sha256"], each["path"]) for each in found)
    face.listing(found, ("NAME", "SIZE", "SHA256", "PATH"), rows)


@step.command()
@click.argument("step")
@click.pass_obj
def validations(face: Face, step: str) -> None:
    """List what the validations of STEP said."""
    found = face.daemon().get(path("steps", step, "validations"))
    head = ("NAME", "STATE", "SEVERITY", "EXIT", "MS", "COMMAND")
    face.listing(found, head, map(_validation_row, found))


def _validation_row(each: dict[str, Any]) -> tuple[object, ...]:
    command = each["command"] if isinstance(each["command"], str) else " ".join(each["command"])
    code = "" if each["exit_code"] is None else each["exit_code"]
    return (each["name"], each["state"], each["severity"], code, each["duration_ms"], command)


@step.command()
@click.argument("step")
@click.option("--stat", is_flag=True, help="Only how much of which file.")
@click.pass_obj
def diff(face: Face, step: str, stat: bool) -> None:
    """Print what STEP changed, from its base to its snapshot."""
    pieces = face.daemon().pieces(path("steps", step, "diff"), {"stat": stat})
    if face.json:
        face.document({"step": step, "diff": b"".join(pieces).decode("utf-8", "replace")})
        return
    for piece in pieces:
        face.write(piece)


@step.command("path")
@click.argument("step")
@click.pass_obj
def path_(face: Face, step: str) -> None:
    """Print the workspace of STEP while it exists, else how to check its snapshot out."""
    found = face.daemon().get(path("steps", step, "where"))
    if face.json:
        face.document(found)
    elif found["workspace"] is not None:
        face.line(found["workspace"])
    elif found["snapshot_commit"] is not None:
        face.line(found["hint"])
    else:
        raise NotFound(found["hint"])
