"""Turns what a planner handed in into a checked TaskSpec, or says exactly what is wrong.

Everything about a task that can be known without the repository is decided here: its form,
its types, its sizes, its names, and that nothing is asked for which does not work yet. A
message names the source, the line and the key: `task.yaml:12: validations.0.timeout: …`.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from codencer.engine.intake.checks import Refused, check_task
from codencer.engine.intake.documents import check_text, read_document
from codencer.engine.intake.outline import Document
from codencer.engine.intake.submission import Submission
from codencer.errors import InvalidInput, TooLarge
from codencer.model.codec import DecodeError, decode
from codencer.model.task import MAX_GOAL_BYTES, Provenance, TaskContext, TaskSpec, ValidationSpec

__all__ = ["Submission", "parse"]

_LONGEST_PROBLEM = 500
"""Characters; a message quotes what it found, which may be large."""


def parse(submission: Submission, run_id: str) -> tuple[TaskSpec, Provenance]:
    """Return the normalised task and where it came from.

    Args:
        run_id: the run submitted to; a task that names another one is refused.

    Raises:
        MalformedInput: the document does not parse. TooLarge: it, or its goal, is too long.
        NotSupported: it asks for something that does not work yet.
        InvalidInput: anything else is wrong with it.
    """
    name = _printable(submission.source_name or submission.source_kind)
    document = _read(submission, name)
    if not isinstance(document.value, dict):
        raise InvalidInput(f"{name}:{document.line('')}: a task is a mapping of keys such as `goal: …`")
    given: dict[str, object] = {**document.value, **submission.overrides}
    try:
        task = _decode(given)
        check_task(task, run_id)
    except Refused as refused:
        place = _place(refused.path, submission, document, name)
        raise refused.kind(f"{place}: {_short(refused.problem)}") from refused
    provenance = Provenance(
        source_kind=submission.source_kind,
        source_name=name,
        original_format=submission.format,
        original_input=submission.text,
        defaults_applied=tuple(_defaults(TaskSpec, given, "")),
    )
    return replace(task, run_id=run_id), provenance


def _read(submission: Submission, name: str) -> Document:
    try:
        if submission.format == "text":
            check_text(submission.text)
            return Document({"goal": submission.text})
        return read_document(submission.text, submission.format)
    except InvalidInput as problem:
        raise type(problem)(f"{name}:{_short(str(problem))}") from problem


def _decode(given: Mapping[str, object]) -> TaskSpec:
    goal = given.get("goal")
    # Characters first: they are a lower bound, and encoding a lone surrogate would fail.
    if isinstance(goal, str) and (
        len(goal) > MAX_GOAL_BYTES or len(goal.encode("utf-8", "surrogatepass")) > MAX_GOAL_BYTES
    ):
        raise Refused("goal", f"it is longer than {MAX_GOAL_BYTES} bytes", TooLarge)
    try:
        return decode(TaskSpec, given)
    except DecodeError as problem:
        hint = _hint(problem.path) if problem.problem == "unknown key" else ""
        raise Refused(problem.path, problem.problem + hint) from problem


def _kind_at(path: str) -> type:
    """The dataclass whose keys stand below `path`."""
    if path == "context":
        return TaskContext
    return ValidationSpec if path.startswith("validations.") else TaskSpec


def _hint(path: str) -> str:
    parent, _, key = path.rpartition(".")
    known = [each.name for each in fields(_kind_at(parent))]
    close = difflib.get_close_matches(key, known, n=1) or [
        name for name in known if len(key) > 2 and name.startswith(key)
    ]
    return f" (did you mean {close[0]}?)" if close else f" (known: {', '.join(known)})"


def _place(path: str, submission: Submission, document: Document, name: str) -> str:
    if path.partition(".")[0] in submission.overrides:
        return f"given beside {name}: {_short(_printable(path))}"
    line = document.line(path)
    return f"{name}:{line}: {_short(_printable(path))}" if line else f"{name}: {_short(_printable(path))}"


def _defaults(kind: type, given: object, path: str) -> Iterator[str]:
    """Yield the dotted names of the keys of `kind` that were left to their defaults."""
    given = given if isinstance(given, Mapping) else {}
    for each in fields(kind):
        inner = f"{path}{each.name}"
        if each.name not in given:
            yield inner
        elif inner == "context":
            yield from _defaults(TaskContext, given["context"], "context.")
        elif inner == "validations":
            for number, validation in enumerate(given["validations"]):
                yield from _defaults(ValidationSpec, validation, f"validations.{number}.")


def _printable(text: str) -> str:
    """The text with everything escaped that could disguise it on a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode("ascii")
        for each in text
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[:_LONGEST_PROBLEM]}…"
