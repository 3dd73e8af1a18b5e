"""What a task must satisfy beyond the types of its fields; pure, and ends at the first fault."""

import re
from collections.abc import Iterable

from codencer.errors import InvalidInput
from codencer.globs import Globs
from codencer.model.ids import check_name
from codencer.model.task import TaskSpec, ValidationSpec
from codencer.validation import check_spec

LONGEST_SECONDS = 30 * 24 * 3600
LONGEST_LABEL = 256
LONGEST_REF = 1024
MOST_VALIDATIONS = 100
MOST_RETRIES = 100
MOST_FALLBACKS = 10

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Refused(Exception):
    """A task is wrong at `path`; `kind` is the error to tell the planner with."""

    def __init__(self, path: str, problem: str, kind: type[InvalidInput] = InvalidInput) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem, self.kind = path, problem, kind


def check_task(task: TaskSpec, run_id: str) -> None:
    """Check a decoded task that is submitted to `run_id`.

    Raises:
        Refused: names the first key that is wrong.
    """
    _check_form(task, run_id)
    _check_labels(task)
    _check_texts(task)
    _check_seconds("timeout_seconds", task.timeout_seconds)
    _check_seconds("idle_timeout_seconds", task.idle_timeout_seconds)
    _check_globs("allowed_paths", task.allowed_paths)
    _check_globs("forbidden_paths", task.forbidden_paths)
    _check_validations(task.validations)
    _check_fallbacks(task.fallback_adapters)


def _check_form(task: TaskSpec, run_id: str) -> None:
    if task.version != "v1":
        raise Refused("version", f"{task.version!a} is not known; this version reads v1")
    if not task.goal.strip():
        raise Refused("goal", "it is blank; say what is to be done")
    if task.run_id is not None and task.run_id != run_id:
        raise Refused("run_id", f"the task names the run {task.run_id!a} and was submitted to {run_id!a}")


def _check_labels(task: TaskSpec) -> None:
    for key in ("step_id", "policy_bundle", "adapter_profile"):
        _check_name(key, getattr(task, key))
    for key in ("project_id", "phase_id", "title", "base"):
        _check_label(key, getattr(task, key), LONGEST_REF if key == "base" else LONGEST_LABEL)
    if task.base.startswith("-"):
        raise Refused("base", f"{task.base!a} is not a ref: it begins with a dash")


def _check_fallbacks(names: tuple[str, ...]) -> None:
    if len(names) > MOST_FALLBACKS:
        raise Refused("fallback_adapters", f"{len(names)} are too many; at most {MOST_FALLBACKS} are allowed")
    for number, name in enumerate(names):
        _check_name(f"fallback_adapters.{number}", name)


def _check_texts(task: TaskSpec) -> None:
    _check_text("goal", task.goal)
    _check_text("context.summary", task.context.summary)
    for key in ("constraints", "acceptance", "stop_conditions"):
        for number, text in enumerate(getattr(task, key)):
            _check_text(f"{key}.{number}", text)
            if not text.strip():
                raise Refused(f"{key}.{number}", "it is blank")


def _check_validations(validations: tuple[ValidationSpec, ...]) -> None:
    if len(validations) > MOST_VALIDATIONS:
        raise Refused(
            "validations", f"{len(validations)} are too many; at most {MOST_VALIDATIONS} are allowed"
        )
    seen: dict[str, int] = {}
    for number, validation in enumerate(validations):
        path = f"validations.{number}"
        _check_name(f"{path}.name", validation.name)
        # File names may not differ by case alone.
        first = seen.setdefault(validation.name.lower(), number)
        if first != number:
            raise Refused(f"{path}.name", f"{validation.name!a} is the name of validations.{first} already")
        _check_validation(path, validation)


def _check_validation(path: str, validation: ValidationSpec) -> None:
    _check_command(f"{path}.command", validation.command)
    _check_seconds(f"{path}.timeout_seconds", validation.timeout_seconds)
    _check_globs(f"{path}.protected_paths", validation.protected_paths)
    if not 0 <= validation.retries <= MOST_RETRIES:
        raise Refused(f"{path}.retries", f"{validation.retries} is out of range: 0 to {MOST_RETRIES}")
    for name, value in validation.env.items():
        if not _VARIABLE.match(name):
            raise Refused(f"{path}.env", f"{name!a} is not the name of an environment variable")
        _check_text(f"{path}.env.{name}", value)
    try:
        check_spec(validation)
    except InvalidInput as problem:
        raise Refused(path, str(problem), type(problem)) from problem


def _check_command(path: str, command: str | tuple[str, ...]) -> None:
    words = (command,) if isinstance(command, str) else command
    if not words or not words[0].strip():
        raise Refused(path, "it is empty; give a shell line, or a list beginning with a program")
    for word in words:
        _check_text(path, word)


def _check_name(path: str, name: str | None) -> None:
    if name is None:
        return
    try:
        check_name(name, "the name")
    except InvalidInput as problem:
        raise Refused(path, str(problem)) from problem


def _check_label(path: str, label: str | None, longest: int) -> None:
    """One line of printable text: it stands in tables, and must not disguise what follows it."""
    if label is None:
        return
    if not label.strip():
        raise Refused(path, "it is blank")
    if len(label) > longest:
        raise Refused(path, f"it is {len(label)} characters long; at most {longest} are allowed")
    if not label.isprintable():
        raise Refused(path, f"{label!a} is not one line of printable characters")


def _check_text(path: str, text: str) -> None:
    if "\0" in text:
        raise Refused(path, "a NUL character is not allowed")


def _check_seconds(path: str, seconds: int) -> None:
    if not 0 <= seconds <= LONGEST_SECONDS:
        raise Refused(path, f"{seconds} is out of range: 0 (none) to {LONGEST_SECONDS} seconds")


def _check_globs(path: str, globs: Iterable[str]) -> None:
    for number, glob in enumerate(globs):
        try:
            Globs((glob,))
        except InvalidInput as problem:
            raise Refused(f"{path}.{number}", str(problem)) from problem
