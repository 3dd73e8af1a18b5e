"""`codencer submit` and `codencer do`: hand in one task, from exactly one source.

The file is read here, by whoever may read it, and sent as text with its name; what it means is decided
by the daemon. Options lie over the task's own keys.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import Daemon, path
from codencer.errors import InvalidInput, NotFound, TooLarge
from codencer.model.ids import IdKind, new_id, shown

MAX_SOURCE = 3 * 1024 * 1024
"""Bytes of one task; the daemon takes a goal of 1 MiB and a body of 4."""


@dataclass(frozen=True, kw_only=True)
class Source:
    kind: str
    name: str
    format: str
    text: str


_OVERRIDES = (
    click.option("--title", help="One line that names the task."),
    click.option("--context", help="What the agent should know beforehand."),
    click.option("--adapter", help="The agent to use."),
    click.option("--timeout", type=int, help="Seconds for one attempt; 0 is none."),
    click.option("--policy", help="The policy that decides about the outcome."),
    click.option("--acceptance", multiple=True, help="A criterion; may be repeated."),
    click.option("--validation", multiple=True, help="A shell line that must succeed; may be repeated."),
    click.option("--base", help="Where it begins: a ref, `dirty`, or step:ID."),
    click.option("--trust", is_flag=True, help="Trust the commands that project files name now."),
    click.option("--idempotency-key", help="The same key submits only once."),
    click.option("--priority", type=int, default=0, help="A higher one goes first, between runs."),
)

_DIRECT = ("task_json", "prompt_file", "goal", "stdin")


def _with_overrides(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OVERRIDES):
        function = option(function)
    return function


@click.command(cls=Verb)
@click.argument("run")
@click.argument("file", required=False)
@click.option("--task-json", metavar="PATH|-", help="A task as JSON; - reads it from stdin.")
@click.option("--prompt-file", metavar="PATH", help="A file whose whole text is the goal.")
@click.option("--goal", help="The goal itself.")
@click.option("--stdin", is_flag=True, help="Read the goal from stdin.")
@click.option("--wait", is_flag=True, help="Wait until it is settled; the exit code tells how it ended.")
@_with_overrides
@click.pass_obj
def submit(
    face: Face,
    /,
    run: str,
    file: str | None,
    wait: bool,
    trust: bool,
    idempotency_key: str | None,
    **options: Any,
) -> int:
    """Submit a task to RUN: a FILE (YAML, or JSON by its name), or one of the sources below."""
    source = _the_source({"file": file} | {name: options.pop(name) for name in _DIRECT})
    asked = Asked(trust=trust, idempotency_key=idempotency_key, priority=options.pop("priority"))
    _refuse_overrides_of_a_file(source, options)
    daemon = face.daemon()
    step = _hand_in(daemon, run, source, _overrides(options), asked)
    return _conclude(face, daemon, step, wait)


@click.command(cls=Verb)
@click.argument("goal")
@click.option("--run", help="The run to submit to (default: a new one).")
@click.option("--no-wait", is_flag=True, help="Return once it is submitted.")
@_with_overrides
@click.pass_obj
def do(
    face: Face,
    /,
    goal: str,
    run: str | None,
    no_wait: bool,
    trust: bool,
    idempotency_key: str | None,
    **options: Any,
) -> int:
    """Submit GOAL, wait for the verdict, and show how to take the changes."""
    daemon = face.daemon()
    run = run or f"do-{shown(new_id(IdKind.STEP))}"
    source = Source(kind="goal", name="goal", format="text", text=goal)
    asked = Asked(
        trust=trust, idempotency_key=idempotency_key, priority=options.pop("priority"), start_run=True
    )
    step = _hand_in(daemon, run, source, _overrides(options), asked)
    face.hint(f"submitted {step['id']} to run {step['run_id']}")
    code = _conclude(face, daemon, step, not no_wait)
    if not no_wait and not face.json:
        _show_stat(face, daemon, step["id"])
    return code


def _conclude(face: Face, daemon: Daemon, step: dict[str, Any], wait: bool) -> int:
    from codencer.cli.show import step_fields, verdict

    if not wait:
        face.show(step, step_fields(step))
        face.hint(f"to wait for it: codencer step wait {step['id']}")
        return 0
    from codencer.cli.waiting import settle

    return verdict(face, daemon, settle(face, daemon, step["id"]))


def _show_stat(face: Face, daemon: Daemon, step_id: str) -> None:
    try:
        stat = b"".join(daemon.pieces(path("steps", step_id, "diff"), {"stat": True}))
    except NotFound:
        return  # it left nothing to compare
    if stat:
        face.line()
        face.line(stat.decode("utf-8", "replace").rstrip())


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What goes with a submission besides the task; the names are those of the request."""

    trust: bool
    idempotency_key: str | None
    priority: int
    start_run: bool = False


def _hand_in(
    daemon: Daemon, run: str, source: Source, overrides: dict[str, object], asked: Asked
) -> dict[str, Any]:
    body = {
        "source_kind": source.kind,
        "source_name": source.name,
        "format": source.format,
        "text": source.text,
        "overrides": overrides,
        "cwd": str(Path.cwd()),
        **asdict(asked),
    }
    step: dict[str, Any] = daemon.post(path("runs", run, "steps"), body)
    return step


def _the_source(given: dict[str, Any]) -> Source:
    """The one source that was given."""
    chosen = {name: value for name, value in given.items() if value not in (None, False)}
    if len(chosen) != 1:
        found = " and ".join(f"--{name.replace('_', '-')}" for name in chosen) or "none"
        raise InvalidInput(
            "a task comes from exactly one of FILE, --task-json, --prompt-file, --goal and --stdin; "
            f"given: {found.replace('--file', 'FILE')}"
        )
    [(name, value)] = chosen.items()
    match name:
        case "goal":
            return Source(kind="goal", name="goal", format="text", text=value)
        case "stdin":
            return Source(kind="stdin", name="stdin", format="text", text=_stdin())
        case "prompt_file":
            return Source(kind="prompt_file", name=value, format="text", text=_read(value))
        case "task_json":
            text = _stdin() if value == "-" else _read(value)
            return Source(kind="task_json", name="stdin" if value == "-" else value, format="json", text=text)
        case _:
            form = "json" if value.lower().endswith(".json") else "yaml"
            return Source(kind="task_file", name=value, format=form, text=_read(value))


def _refuse_overrides_of_a_file(source: Source, options: dict[str, Any]) -> None:
    """A task file says everything itself: two places for one key would hide one of them."""
    given = [name for name, value in options.items() if value not in (None, ())]
    if source.kind == "task_file" and given:
        raise InvalidInput(
            f"--{given[0]} goes with --goal, --stdin, --prompt-file and --task-json; "
            f"write it into {source.name} instead"
        )


def _overrides(options: dict[str, Any]) -> dict[str, object]:
    """Options as keys of a TaskSpec."""
    keys = {"title": "title", "adapter": "adapter_profile", "timeout": "timeout_seconds"}
    keys |= {"policy": "policy_bundle", "base": "base"}
    found: dict[str, object] = {key: options[name] for name, key in keys.items() if options[name] is not None}
    if options["context"] is not None:
        found["context"] = {"summary": options["context"]}
    if options["acceptance"]:
        found["acceptance"] = list(options["acceptance"])
    if options["validation"]:
        found["validations"] = [
            {"name": f"validation-{number}", "command": line}
            for number, line in enumerate(options["validation"], 1)
        ]
    return found


def _read(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return _text(file.read(MAX_SOURCE + 1), name)
    except FileNotFoundError as problem:
        raise NotFound(f"{name} is not there") from problem
    except OSError as problem:
        raise InvalidInput(f"{name} cannot be read: {problem.strerror}") from problem


def _stdin() -> str:
    return _text(sys.stdin.buffer.read(MAX_SOURCE + 1), "stdin")


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_SOURCE:
        raise TooLarge(f"{name} is larger than {MAX_SOURCE} bytes; a goal may have 1 MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"{name} is not UTF-8 text: see its byte {problem.start}") from problem
