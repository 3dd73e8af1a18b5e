"""Facts come from the record and the diff; what is not known is None, and what is long is cut."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from codencer.engine.facts import Material, gather, spent
from codencer.engine.facts.content import LONGEST_PATCH
from codencer.engine.facts.gather import MOST_NAMED
from codencer.errors import GitFailed
from codencer.model.attempt import (
    AgentOutcome,
    Attempt,
    AttemptState,
    Ending,
    ErrorKind,
    FileChange,
    Pause,
    Snapshot,
)
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.policy import Facts, Policy
from codencer.model.step import AdapterSettings, Base, FrozenSettings, Step, StepState
from codencer.model.task import Provenance, Severity, SourceKind, TaskSpec
from codencer.model.validation import ValidationResult, ValidationState
from codencer.model.waiting import Wait
from codencer.policy import load

STEP = Step(
    id="step_1",
    run_id="run",
    name="1",
    title="t",
    state=StepState.VALIDATING,
    task=TaskSpec(goal="g", allowed_paths=("src/", "*.sql"), forbidden_paths=("secret*",)),
    provenance=Provenance(source_kind=SourceKind.GOAL, source_name="", original_format="", original_input=""),
    frozen=FrozenSettings(checkout="/", adapter=AdapterSettings(name="a")),
    base=Base(ref="HEAD", commit="0" * 40),
    adapter="a",
    policy="p",
    position=1,
    created_at=0,
    updated_at=0,
)
ENDED = ExitRecord(reason=ExitReason.EXITED, code=0, duration_us=2_500_000)
ATTEMPT = Attempt(
    id="att_2",
    step_id="step_1",
    run_id="run",
    number=2,
    tries=2,
    state=AttemptState.VALIDATING,
    adapter="a",
    requested_adapter="a",
    created_at=0,
    updated_at=0,
    launch="agent-1",
    exit=ENDED,
    outcome=AgentOutcome(
        ending=Ending.SUCCEEDED, input_tokens=1, output_tokens=2, cost_microusd=30, questions=("why?",)
    ),
    snapshot=Snapshot(commit="1" * 40, tree="2" * 40, validated_tree="2" * 40, complete=True),
)
CHANGES = (
    FileChange(path="src/a.py", status="M", additions=3, deletions=1, old_mode="100644", new_mode="100644"),
    FileChange(path="go.mod", status="A", additions=2, deletions=0, old_mode="000000", new_mode="100644"),
    FileChange(
        path="app/migrations/1.py", status="D", additions=0, deletions=9, old_mode="100644", new_mode="000000"
    ),
    FileChange(
        path="x.sql",
        status="R",
        additions=0,
        deletions=0,
        old_path="secret.txt",
        old_mode="100644",
        new_mode="100755",
    ),
    FileChange(path="logo.png", status="A", old_mode="000000", new_mode="100644"),
    FileChange(path="src/link", status="T", additions=1, deletions=5, old_mode="100644", new_mode="120000"),
    FileChange(path="lib", status="M", additions=1, deletions=1, old_mode="160000", new_mode="160000"),
    FileChange(path="run.sh", status="A", additions=1, deletions=0, old_mode="000000", new_mode="100755"),
    FileChange(
        path=".github/workflows/x.yml",
        status="M",
        additions=1,
        deletions=0,
        old_mode="100644",
        new_mode="100644",
    ),
    FileChange(
        path="dist/a.min.js", status="M", additions=1, deletions=0, old_mode="100644", new_mode="100644"
    ),
)
EVERYTHING = Policy(
    name="p",
    gate_when={
        "secrets_detected": True,
        "conflict_markers_present": True,
        "file_bytes_over": 1,
        "paths": ["*.sql"],
    },
)


def material(**changes: object) -> Material:
    given: dict[str, object] = {
        "step": STEP,
        "attempt": ATTEMPT,
        "policy": load("basic"),
        "changes": CHANGES,
        "results": (),
        "artifacts": (),
        "leading_out": tuple,
        **changes,
    }
    return Material(**given)  # type: ignore[arg-type]


def test_what_the_diff_says() -> None:
    facts = gather(material(largest=lambda: 77, policy=EVERYTHING))
    assert (facts.changed_files, facts.changed_lines, facts.deleted_files) == (10, 26, 1)
    assert facts.forbidden_paths_touched == ("secret.txt",), "where a rename came from counts"
    assert facts.paths_outside_scope is not None
    assert set(facts.paths_outside_scope) >= {"go.mod", "secret.txt", "lib"}
    assert not set(facts.paths_outside_scope) & {"src/a.py", "x.sql", "src/link"}
    assert facts.dependency_files == ("go.mod",)
    assert facts.migrations == ("app/migrations/1.py",)
    assert facts.ci_files == (".github/workflows/x.yml",)
    assert facts.generated_files == ("dist/a.min.js",)
    assert facts.binaries == ("logo.png",)
    assert facts.symlinks == ("src/link",)
    assert facts.modes_changed == ("x.sql", "run.sh")
    assert facts.submodules == ("lib",)
    assert facts.matched_paths == ("x.sql",)
    assert facts.largest_file_bytes == 77


def test_a_link_that_leads_out_is_outside_of_every_scope() -> None:
    link = FileChange(path="src/link", status="A", old_mode="000000", new_mode="120000")
    leading = material(changes=(link,), leading_out=lambda: ["src/link -> /tmp"])
    assert gather(leading).paths_outside_scope == ("src/link -> /tmp",)
    anywhere = replace(STEP, task=TaskSpec(goal="g"))
    assert gather(replace(leading, step=anywhere)).paths_outside_scope == ("src/link -> /tmp",)

    def lost() -> list[str]:
        raise GitFailed("not there")

    assert gather(replace(leading, leading_out=lost)).paths_outside_scope is None
    assert gather(replace(leading, leading_out=None)).paths_outside_scope is None
    file = replace(link, new_mode="100644")
    assert gather(replace(leading, changes=(file,), leading_out=lost)).paths_outside_scope == ()


def test_other_letters_are_the_same_path_where_the_users_files_do_not_tell_them_apart() -> None:
    written = FileChange(path="SECRET.txt", status="A", old_mode="000000", new_mode="100644")
    policy = Policy(name="p", gate_when={"paths": ["*.TXT"]})
    facts = gather(material(changes=(written,), policy=policy, ignore_case=True))
    assert (facts.forbidden_paths_touched, facts.matched_paths) == (("SECRET.txt",), ("SECRET.txt",))
    apart = gather(material(changes=(written,), policy=policy))
    assert (apart.forbidden_paths_touched, apart.matched_paths) == ((), ())


def test_what_the_agent_says_of_itself_and_what_it_used() -> None:
    before = replace(
        ATTEMPT,
        id="att_1",
        number=1,
        tries=1,
        outcome=AgentOutcome(ending=Ending.TIMED_OUT, input_tokens=10, output_tokens=20, cost_microusd=300),
    )
    facts = gather(material(before=(before,)))
    assert (facts.attempts, facts.timeouts, facts.questions) == (2, 1, ("why?",))
    assert (facts.cost_microusd, facts.tokens, facts.agent_ms) == (330, 33, 5000)
    assert (facts.ending, facts.error_kind) == (Ending.SUCCEEDED, ErrorKind.NONE)


def test_without_a_diff_nothing_about_it_is_known() -> None:
    facts = gather(material(changes=None, attempt=replace(ATTEMPT, snapshot=None), policy=EVERYTHING))
    known = {
        "failed_validations",
        "failed_warnings",
        "survivors",
        "artifacts_complete",
        "attempts",
        "timeouts",
    }
    known |= {"ending", "error_kind", "questions", "cost_microusd", "tokens", "agent_ms"}
    assert {each.name for each in fields(Facts) if getattr(facts, each.name) is not None} == known


def test_what_no_key_asks_about_is_not_looked_for(tmp_path: Path) -> None:
    def ask() -> int:
        raise AssertionError("nobody wants to know")

    facts = gather(material(patch=tmp_path / "nothing here", largest=ask))
    assert (facts.secrets, facts.conflict_markers, facts.matched_paths, facts.largest_file_bytes) == (
        None,
    ) * 4


def test_what_cannot_be_found_out_is_unknown(tmp_path: Path) -> None:
    def ask() -> int:
        raise GitFailed("gone")

    patch = tmp_path / "patch"
    gone = gather(material(patch=patch, largest=ask, policy=EVERYTHING))
    assert (gone.secrets, gone.conflict_markers, gone.largest_file_bytes) == (None, None, None)
    with patch.open("wb") as file:
        file.truncate(LONGEST_PATCH + 1)
    assert gather(material(patch=patch, policy=EVERYTHING)).secrets is None
    patch.write_bytes(b"")
    empty = gather(material(patch=patch, policy=EVERYTHING))
    assert (empty.secrets, empty.conflict_markers) == ((), ())


def test_long_lists_are_cut_and_counts_are_not() -> None:
    changes = [replace(CHANGES[1], path=f"{n}/go.mod") for n in range(MOST_NAMED + 5)]
    facts = gather(material(changes=changes))
    assert facts.dependency_files is not None
    assert (len(facts.dependency_files), facts.changed_files) == (MOST_NAMED, MOST_NAMED + 5)


@pytest.mark.parametrize("ending", [Ending.BROKEN, Ending.TIMED_OUT, Ending.DECLINED, Ending.SUCCEEDED])
def test_validations_that_were_never_run_fail_nothing(ending: Ending) -> None:
    outcome = AgentOutcome(ending=ending)
    results = [
        ValidationResult(name=severity, command="x", severity=severity, state=ValidationState.NOT_RUN)
        for severity in Severity
    ]
    facts = gather(material(attempt=replace(ATTEMPT, outcome=outcome), results=results))
    failed = ("error",) if ending is Ending.SUCCEEDED else ()
    assert facts.failed_validations == failed
    assert facts.failed_warnings == (("warning",) if failed else ())


def test_what_was_used_is_unknown_as_soon_as_one_does_not_say() -> None:
    silent = replace(ATTEMPT, outcome=AgentOutcome(ending=Ending.BROKEN, output_tokens=5))
    lost = replace(ATTEMPT, exit=None)
    never = replace(ATTEMPT, launch=None, exit=None, outcome=AgentOutcome(ending=Ending.BROKEN))
    unstarted = replace(silent, exit=ExitRecord(reason=ExitReason.NOT_STARTED))
    pause = Pause(
        launch="agent-1",
        cause=ErrorKind.QUOTA,
        wait=Wait(until=0, microseconds=0),
        session_id="s",
        exit=ENDED,
    )
    rested = replace(ATTEMPT, launch="agent-2", pauses=(pause,))
    assert vars(spent([ATTEMPT])) == {"cost_microusd": 30, "tokens": 3, "agent_ms": 2500}
    assert vars(spent([ATTEMPT, silent])) == {"cost_microusd": None, "tokens": None, "agent_ms": 5000}
    assert spent([lost]).agent_ms is None
    assert vars(spent([never, unstarted])) == {"cost_microusd": 0, "tokens": 0, "agent_ms": 0}
    assert spent([rested]).agent_ms == 5000
