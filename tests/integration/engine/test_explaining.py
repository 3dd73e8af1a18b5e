"""Why a step was judged so, and how another policy would judge it: from the record and the evidence alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.engine.explaining import check_policy
from codencer.errors import InvalidInput, NotFound, TooLarge
from codencer.model.policy import Decision
from codencer.model.step import StepState

Open = Callable[..., Any]

OURS = "version: v1\nname: ours\ngate_when: {paths: ['*.sql']}\ncontinue_when: {}\n"
BAD = "version: v1\nname: ours\ngate_when:\n  no_change: true\n  deletions_over: -1\n"


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    top = make_repo({"code.txt": "broken\n", "notes.md": "x\n"})
    (top / ".codencer" / "policies").mkdir(parents=True)
    (top / ".codencer" / "policies" / "ours.yaml").write_text(OURS)
    return top


def policy(**blocks: object) -> str:
    return json.dumps({"version": "v1", "name": "other", "continue_when": {}, **blocks})


@pytest.mark.parametrize(
    ("source", "text", "problems"),
    [
        ("/x/.codencer/policies/ours.yaml", OURS, []),
        ("/x/anywhere.yaml", OURS, []),
        ("/x/.codencer/policies/theirs.yaml", OURS, [(2, "the name has to be theirs")]),
        ("/x/.codencer/policies/basic.yaml", OURS.replace("ours", "basic"), [(2, "a policy basic comes")]),
        ("p.yaml", BAD, [(1, "continue_when is"), (4, "gate_when.no_change"), (5, "gate_when.deletions")]),
        ("p.yaml", "version: v1\nname: [", [(2, "p.yaml is not readable YAML")]),
        ("p.yaml", "\0", [(1, "p.yaml is not readable YAML")]),
    ],
)
def test_a_file_is_checked_line_by_line(source: str, text: str, problems: list[tuple[int, str]]) -> None:
    found = check_policy(text, source)
    assert (found.valid, found.digest is None, found.name is None) == (
        not problems,
        bool(problems),
        bool(problems),
    )
    assert len(found.problems) == len(problems)
    for each, (line, start) in zip(found.problems, problems, strict=True):
        assert (each.line, each.problem.startswith(start)) == (line, True), each


def test_a_file_that_is_too_long_is_not_read() -> None:
    with pytest.raises(TooLarge):
        check_policy("#" * 65537, "p.yaml")


async def test_a_decision_is_explained_and_another_policy_tried(repo: Path, open_engine: Open) -> None:
    goal = "simulate: write a.sql token\nsimulate: delete notes.md"
    async with open_engine(repo) as house:
        step = await house.run_to_end(goal, policy_bundle="ours")
        result = await house.engine.result(step.id)
        why = await house.engine.explain_policy(step.id)
        tried = {
            name: await house.engine.try_policy(step.id, text, "p.yaml")
            for name, text in {
                "ours": OURS,
                "paths": policy(gate_when={"paths": ["*.md"]}),
                "fine": policy(
                    fail_when={"timeout_count_over": 0, "tests_failed": True}, gate_when={"no_changes": True}
                ),
                "lax": policy(
                    gate_when={"secrets_detected": True, "file_bytes_over": 9, "deletions_over": 1},
                    continue_when={"max_changed_files": 2},
                ),
            }.items()
        }
        assert (await house.engine.get_step(step.id)).state is StepState.NEEDS_APPROVAL, "nothing was changed"
        with pytest.raises(InvalidInput, match=r"bad\.yaml:4"):
            await house.engine.try_policy(step.id, BAD, "bad.yaml")
    assert (why.decision, why.fired, why.state) == (Decision.GATE, ("paths",), StepState.NEEDS_APPROVAL)
    assert (why.facts.matched_paths, why.facts.deleted_files) == (("a.sql",), 1)
    assert why.facts.secrets is None, "nobody asked"
    assert why.policy.digest == result.policy.digest
    same = tried["ours"]
    assert (same.decision, same.fired, same.reasons, same.facts) == (
        why.decision,
        why.fired,
        why.reasons,
        why.facts,
    )
    assert tried["paths"].reasons == ("paths: changed: notes.md",)
    assert tried["fine"].decision is Decision.CONTINUE
    lax = tried["lax"]
    assert (lax.decision, lax.state) == (Decision.CONTINUE, StepState.COMPLETED)
    assert (lax.recorded_decision, lax.recorded_state) == (Decision.GATE, StepState.NEEDS_APPROVAL)
    assert (lax.facts.secrets, lax.facts.largest_file_bytes) == ((), 6)


async def test_what_is_gone_from_the_evidence_is_unknown(repo: Path, open_engine: Open) -> None:
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write a.txt x")
        artifacts = {each.name: each for each in await house.engine.artifacts(step.id)}
        (await house.engine.artifact(artifacts["diff.patch"].id))[1].unlink()
        trial = await house.engine.try_policy(step.id, policy(gate_when={"secrets_detected": True}), "p")
    assert trial.reasons == ("facts_unknown: could not be found out: secrets",)


async def test_a_failure_is_explained_and_may_have_been_tried_again(repo: Path, open_engine: Open) -> None:
    retrying = policy(retry_when={"adapter_process_failed": True})
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: fail")
        why = await house.engine.explain_policy(step.id)
        trial = await house.engine.try_policy(step.id, retrying, "p")
        hung = await house.submit("simulate: hang")
        with pytest.raises(NotFound):
            await house.engine.explain_policy(hung.id)
        await house.engine.cancel(hung.id, "test")
        await house.settled(hung)
        for ask in (house.engine.explain_policy(hung.id), house.engine.try_policy(hung.id, retrying, "p")):
            with pytest.raises(NotFound, match=f"attempt 1 of step {hung.id}, which is cancelled|no attempt"):
                await ask
    assert why.reasons == ("agent_did_not_end_well: broken (crash)",)
    assert (trial.decision, trial.state) == (Decision.RETRY, StepState.FAILED_RETRYABLE)
