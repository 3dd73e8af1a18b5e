"""Entry point of `codencer` (and `orchestratorctl`): the tree of verbs, errors, exit codes."""

import os
import sys
from collections.abc import Sequence

import click

from codencer.cli.exits import INTERRUPTED, OK, USAGE
from codencer.cli.face import Face
from codencer.cli.group import Lazy, LazyGroup
from codencer.errors import CodencerError, StorageFailed

VERBS = {
    "do": Lazy(place="codencer.cli.submit:do", help="Submit one goal, wait, and show the verdict."),
    "submit": Lazy(place="codencer.cli.submit:submit", help="Submit a task to a run."),
    "run": Lazy(place="codencer.cli.run:run", help="Start, list, wait for and end runs."),
    "step": Lazy(place="codencer.cli.step:step", help="Look at steps, wait for them, cancel, retry."),
    "gate": Lazy(place="codencer.cli.gate:gate", help="See what needs approval; approve or reject it."),
    "policy": Lazy(place="codencer.cli.policy:policy", help="Check policies; see why steps are judged so."),
    "land": Lazy(place="codencer.cli.land:land", help="Bring a step's changes into your repository."),
    "init": Lazy(place="codencer.cli.setup:init", help="Make .codencer/ in this checkout."),
    "start": Lazy(place="codencer.cli.service:start", help="Start this repository's daemon."),
    "stop": Lazy(place="codencer.cli.service:stop", help="Stop it; its agents go on."),
    "ps": Lazy(place="codencer.cli.service:ps", help="Show the agents at work and the daemons."),
    "doctor": Lazy(place="codencer.cli.doctor:doctor", help="Check that everything needed is there."),
    "instance": Lazy(place="codencer.cli.about:instance", help="Show the daemon's addresses and folders."),
    "adapters": Lazy(
        place="codencer.cli.about:adapters", help="List the agents and whether they can be used."
    ),
    "config": Lazy(place="codencer.cli.settings:config", help="Show the settings and their origins."),
    "trust": Lazy(place="codencer.cli.setup:trust", help="Allow the commands that project files name."),
    "gc": Lazy(place="codencer.cli.cleanup:gc", help="Remove what is no longer needed."),
    "purge": Lazy(place="codencer.cli.cleanup:purge", help="Remove everything of Codencer's here."),
    "demo": Lazy(place="codencer.cli.demo:demo", help="Show the main job on a scratch repository."),
    "version": Lazy(place="codencer.cli.about:version", help="Print the version."),
    "completion": Lazy(place="codencer.cli.completion:completion", help="Print a shell completion script."),
}


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=False,
)
def root() -> None:
    """Give tasks to coding agents and keep proof of what they did."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = OK
    except OSError as problem:
        error = StorageFailed(f"the output could not be written: {problem.strerror}")
        sys.stderr.write(f"error: {error.message}\n")
        code = error.exit_code
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in options
    try:
        result = root.main(arguments, prog_name=_program(), standalone_mode=False)
    except SystemExit:
        # click leaves like this when the reader hung up, as in `codencer step logs … | head`.
        return OK
    except click.ClickException as problem:
        return _refuse(problem, as_json)
    except click.Abort:
        return _report("interrupted", "interrupted", None, INTERRUPTED, as_json)
    except CodencerError as error:
        return _report(error.code, error.message, error.http_status, error.exit_code, as_json)
    return result if isinstance(result, int) else OK


def _program() -> str:
    name = os.path.basename(sys.argv[0])
    return name if name in ("codencer", "orchestratorctl") else "codencer"


def _refuse(problem: click.ClickException, as_json: bool) -> int:
    """A wrong command line; click would exit with 2, which means something else here."""
    if as_json:
        return _report("usage", problem.format_message(), None, USAGE, as_json)
    problem.show()
    return USAGE


def _report(code: str, message: str, status: int | None, exit_code: int, as_json: bool) -> int:
    face = Face()
    if as_json:
        face.document({"error": code, "message": message, "status": status})
    face.hint(f"error: {message}")
    return exit_code


if __name__ == "__main__":
    main()
