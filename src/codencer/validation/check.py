"""What a validation asks for: checked, and made a launch."""

from pathlib import PurePosixPath

from codencer.errors import InvalidInput
from codencer.model.launch import Launch
from codencer.model.task import ValidationSpec

SHELL = ("/bin/sh", "-c")
EXIT, JUNIT = "exit", "junit:"
LONGEST_PATH = 1024


def check_spec(spec: ValidationSpec) -> None:
    """Check what the types of the fields do not say.

    Raises:
        InvalidInput: names the field that is wrong.
    """
    if spec.report != EXIT and not spec.report.startswith(JUNIT):
        raise InvalidInput(f"report {spec.report!a} is not known; there are exit and junit:PATH")
    if (path := report_path(spec)) is not None:
        _check_inside("report", str(path))
    if spec.overlay is not None and (not spec.overlay.strip() or "\0" in spec.overlay):
        raise InvalidInput("overlay is no path of a folder")


def report_path(spec: ValidationSpec) -> PurePosixPath | None:
    """Where its report is to appear, relative to the workspace; None when its exit code is the verdict."""
    return PurePosixPath(spec.report.removeprefix(JUNIT)) if spec.report.startswith(JUNIT) else None


def launch(spec: ValidationSpec) -> Launch:
    """Return how to start it: a shell line through `/bin/sh`, a list as it is."""
    argv = (*SHELL, spec.command) if isinstance(spec.command, str) else spec.command
    return Launch(argv=argv, env=dict(spec.env))


def _check_inside(key: str, text: str) -> None:
    path = PurePosixPath(text)
    inside = path.parts and not path.is_absolute() and ".." not in path.parts and ".git" not in path.parts
    if not inside or "\0" in text or len(text) > LONGEST_PATH:
        raise InvalidInput(f"{key}: {text!a} is no path inside the checkout")
