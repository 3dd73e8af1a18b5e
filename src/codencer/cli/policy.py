"""`codencer policy …`: check a policy file, and see why a step was, or would be, judged so."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from codencer.cli.exits import OK, USAGE
from codencer.cli.face import Face, absolute
from codencer.cli.group import VerbGroup
from codencer.client.daemon import PREFIX, path
from codencer.errors import InvalidInput, NotFound, TooLarge

MAX_FILE = 64 * 1024
"""Bytes; no policy is longer."""


@click.group(cls=VerbGroup)
def policy() -> None:
    """Check policy files, and see why steps are judged as they are.

    STEP is an id, the end of one (at least 4 characters), RUN/NAME, or `latest`.
    """


@policy.command()
@click.argument("file")
@click.pass_obj
def check(face: Face, file: str) -> int:
    """Say what is wrong with the policy in FILE, by line; exit code 1 if anything is."""
    found = face.daemon().post(f"{PREFIX}/policies/check", _given(file))
    if face.json:
        face.document(found)
    elif found["valid"]:
        face.line(f"{file}: policy {found['name']} is valid")
    for problem in () if face.json else found["problems"]:
        face.line(f"{file}:{problem['line']}: {problem['problem']}")
    return OK if found["valid"] else USAGE


@policy.command()
@click.argument("step")
@click.pass_obj
def explain(face: Face, step: str) -> None:
    """Show the facts about the newest attempt of STEP, the keys that fired, and the decision."""
    found = face.daemon().get(path("steps", step, "policy"))
    face.show(found, _explained(found))


@policy.command("try")
@click.argument("file")
@click.argument("step")
@click.pass_obj
def try_(face: Face, file: str, step: str) -> None:
    """Show how the policy in FILE would judge the newest attempt of STEP; nothing is changed."""
    found = face.daemon().post(path("steps", step, "policy", "try"), _given(file))
    face.show(found, _tried(found))


def _given(file: str) -> dict[str, str]:
    """The text of a file and where it is."""
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except FileNotFoundError as problem:
        raise NotFound(f"{file} is not there") from problem
    except OSError as problem:
        raise InvalidInput(f"{file} cannot be read: {problem.strerror}") from problem
    if len(data) > MAX_FILE:
        raise TooLarge(f"{file} has more than {MAX_FILE} bytes; no policy is longer")
    try:
        return {"text": data.decode("utf-8"), "source": absolute(file)}
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"{file} is not UTF-8 text: see its byte {problem.start}") from problem


def _explained(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "step", f"{found['step_id']}, attempt {found['attempt_number']}"
    yield "policy", f"{found['policy']['name']} ({found['policy']['digest'][:12]})"
    yield "decision", f"{found['decision']}: {found['state']}"
    yield from (("because", reason) for reason in found["reasons"])
    yield from _facts(found["facts"])


def _tried(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "step", f"{found['step_id']}, attempt {found['attempt_number']}"
    yield "policy", f"{found['policy']} ({found['digest'][:12]})"
    yield "decision", f"{found['decision']}: {found['state']}"
    yield from (("because", reason) for reason in found["reasons"])
    yield "recorded", f"{found['recorded_decision']}: {found['recorded_state']}"


def _facts(facts: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What is known and worth a line: a list that is empty is not."""
    for name, value in facts.items():
        if isinstance(value, list):
            yield name, ", ".join(map(str, value))
        elif value is not None:
            yield name, str(value).lower() if isinstance(value, bool) else value
    yield "unknown", ", ".join(name for name, value in facts.items() if value is None)
