"""What a validation asks for: refused if nothing enforces it yet, else made a launch."""

from codencer.errors import NotSupported
from codencer.model.launch import Launch
from codencer.model.task import ValidationSpec

SHELL = ("/bin/sh", "-c")


def check_supported(spec: ValidationSpec) -> None:
    """Refuse what is understood and does not work yet.

    Raises:
        NotSupported: names the validation and every such field.
    """
    asked = {
        "report": spec.report != "exit",
        "baseline": spec.baseline,
        "must_fail_before": spec.must_fail_before,
        "clean": spec.clean,
        "retries": spec.retries != 0,
        "overlay": spec.overlay is not None,
        "hidden": spec.hidden,
    }
    refused = [field for field, is_asked in asked.items() if is_asked]
    if refused:
        raise NotSupported(
            f"validation {spec.name!r}: {', '.join(refused)} not supported by this version; "
            "nothing was submitted. Leave out what is named and submit again"
        )


def launch(spec: ValidationSpec) -> Launch:
    """Return how to start it: a shell line through `/bin/sh`, a list as it is."""
    argv = (*SHELL, spec.command) if isinstance(spec.command, str) else spec.command
    return Launch(argv=argv, env=dict(spec.env))
