"""What an agent is for: it changes files, and the bridge sees, validates and tells it right."""

from codencer.testing.conformance.case import Case
from codencer.testing.conformance.profile import Speaks
from codencer.testing.conformance.trial import HAS_IT, Trial
from codencer.testing.model_server.scenarios import CONTENT, HUGE_BYTES

LONG_BYTES = 200_000
NON_ASCII = "naïve ☕ 日本.txt"


def edit(trial: Trial) -> None:
    found = trial.run(trial.goal(trial.script("edit")), validations=[HAS_IT])
    if not trial.expect(found, "completed", files={"hello.txt": "A"}):
        return
    [validation] = found.result["validations"]
    trial.check(validation["state"] == "passed", f"the validation is {validation['state']}")
    trial.check(f"\n+{CONTENT}\n" in found.diff, f"the diff does not have the line: {found.diff[:200]!r}")
    trial.check(
        "Done as scripted" in found.result["summary"] or trial.profile.speaks is not Speaks.MODEL,
        f"the summary is {found.result['summary'][:200]!r}",
    )
    trial.expect_facts(found)


def tools(trial: Trial) -> None:
    found = trial.run(trial.goal(trial.script("tools", file="a.txt")))
    files = {"a.txt": "A", "by-shell-a.txt": "A", "second-a.txt": "A"}
    if trial.expect(found, "completed", files=files):
        trial.expect_facts(found)


def shell(trial: Trial) -> None:
    found = trial.run(trial.goal(trial.script("shell")), validations=[HAS_IT])
    trial.expect(found, "completed", files={"hello.txt": "A"})


def no_change(trial: Trial) -> None:
    """It says that it is done and has done nothing: the validation decides."""
    found = trial.run(trial.goal(trial.script("text")), validations=[HAS_IT])
    trial.expect(found, "failed_validation")


def non_ascii(trial: Trial) -> None:
    check = {"name": "has-it", "command": ["grep", "-qx", "grüß dich", NON_ASCII]}
    script = trial.script("edit", file=NON_ASCII, content="grüß dich")
    found = trial.run(trial.goal(script, "Schreib es auf: naïve ☕ 日本."), validations=[check])
    trial.expect(found, "completed", files={NON_ASCII: "A"})


def long_goal(trial: Trial) -> None:
    line = "This line of the goal is one of very many, and none of them may be lost. äöü\n"
    words = line * (LONG_BYTES // len(line.encode()) + 1)
    found = trial.run(trial.goal(trial.script("edit"), words))
    if trial.expect(found, "completed", files={"hello.txt": "A"}):
        _arrived(trial, len(words))


def _arrived(trial: Trial, characters: int) -> None:
    by_file = trial.own is not None
    if trial.profile.speaks is Speaks.MODEL and not by_file:
        seen = max((each.prompt_characters for each in trial.server.journal.of(trial.name)), default=0)
        trial.check(seen >= characters, f"{seen} of {characters} characters of the goal reached the model")


def dash_goal(trial: Trial) -> None:
    """A goal that looks like an option."""
    found = trial.run(trial.goal(trial.script("edit"), "--help me: -p do what the model says"))
    trial.expect(found, "completed", files={"hello.txt": "A"})


def leftover(trial: Trial) -> None:
    """A process that a tool left behind is ended; that none is left, `run` sees."""
    found = trial.run(trial.goal(trial.script("leave")))
    trial.expect(found, "completed", files={"hello.txt": "A"})


def huge_output(trial: Trial) -> None:
    found = trial.run(trial.goal(trial.script("huge")))
    if trial.expect(found, "completed"):
        summary = len(found.result["summary"])
        trial.check(summary < HUGE_BYTES // 100, f"the summary has {summary} characters")
        longest = max((len(event["text"]) for event in found.events), default=0)
        trial.check(longest < HUGE_BYTES // 2, f"an event of the transcript has {longest} characters")


CASES = (
    Case(name="edit", about="changes a file with its own tool; verdict, diff, validation, facts", run=edit),
    Case(name="tools", about="several turns with several tools", run=tools, needs_tools=True),
    Case(name="shell", about="changes a file by a command", run=shell, needs_tools=True),
    Case(
        name="no-change", about="says it is done and changed nothing: the validation decides", run=no_change
    ),
    Case(name="non-ascii", about="a path and a content that are not ASCII", run=non_ascii),
    Case(name="long-goal", about="a goal of 200 kB reaches the model whole", run=long_goal),
    Case(name="dash-goal", about="a goal that begins like an option", run=dash_goal),
    Case(
        name="leftover", about="a process that a tool leaves behind is ended", run=leftover, needs_tools=True
    ),
    Case(name="huge-output", about="an answer of 2 MiB", run=huge_output),
)
