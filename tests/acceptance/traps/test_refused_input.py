"""Bad input at every door: it says what, where and what next, and it leaves no trace anywhere."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]
Look = Callable[[Any], dict[str, object]]

NAMES = [
    "../../outside",
    "/etc/outside",
    "a/b",
    "a\\b",
    "..",
    ".",
    ".hidden",
    "-rf",
    "a b",
    "a\tb",
    "a\nb",
    "a\x1b[2Jb",
    "a\x7fb",
    "a\u202eb",
    "a\u200bb",
    "a\u2028b",
    "\u0430bc",
    "$(touch outside)",
    "`touch outside`",
    "a;touch outside",
    "a'b",
    "%2e%2e%2foutside",
    "x" * 65,
    "",
]
"""What was once written into paths and a shell script without a look."""

GOAL = {"goal": "simulate: write x x", "adapter_profile": "simulation"}

DOCUMENTS: dict[str, tuple[str, int, str]] = {
    "yaml that does not parse": ("goal: [\n", 400, r"task\.yaml:\d"),
    "yaml with a tab": ("goal: x\n\ttitle: y\n", 400, r"task\.yaml:2"),
    "yaml with an object": ("goal: !!python/object/apply:os.system [id]\n", 400, r"task\.yaml:1"),
    "yaml of many aliases": (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        ),
        413,
        r"task\.yaml:\d: .*more than",
    ),
    "two documents": ("goal: x\n---\ngoal: y\n", 400, r"task\.yaml:2"),
    "nothing at all": ("", 0, "task.yaml"),
    "a list": ("- goal\n", 422, "mapping"),
    "an unknown key": ("goal: x\ngaol: y\n", 422, r"task\.yaml:2: gaol: .*goal"),
    "an unknown key inside": ("goal: x\ncontext: {sumary: y}\n", 422, r"task\.yaml:2: context\.sumary"),
    "a duplicate key": ("goal: x\ntitle: a\ntitle: b\n", 400, r"task\.yaml:3.*title"),
    "a wrong type": ("goal: x\ntimeout_seconds: soon\n", 422, r"task\.yaml:2: timeout_seconds"),
    "a truth for a number": ("goal: x\ntimeout_seconds: yes\n", 422, r"task\.yaml:2: timeout_seconds"),
    "a negative limit": ("goal: x\ntimeout_seconds: -1\n", 422, r"task\.yaml:2: timeout_seconds"),
    "a word for a list": ("goal: x\nacceptance: y\n", 422, r"task\.yaml:2: acceptance"),
    "a null goal": ("goal:\n", 422, r"task\.yaml:1: goal"),
    "no goal": ("title: x\n", 422, "goal"),
    "an empty goal": ("goal: ''\n", 422, r"task\.yaml:1: goal"),
    "a blank goal": ('goal: " \\n"\n', 422, r"task\.yaml:1: goal"),
    "another version": ("version: v2\ngoal: x\n", 422, r"task\.yaml:1: version"),
    "another run": ("goal: x\nrun_id: other\n", 422, r"task\.yaml:2: run_id"),
    "a name that is taken": ("goal: x\nstep_id: done\nadapter_profile: simulation\n", 409, "done"),
    "an unknown adapter": ("goal: x\nadapter_profile: nobody\n", 0, "nobody.*simulation"),
    "no adapter at all": ("goal: x\n", 422, "names no adapter"),
    "an unknown policy": (
        "goal: x\nadapter_profile: simulation\npolicy_bundle: nothing\n",
        0,
        "nothing.*basic",
    ),
    "an unknown base": ("goal: x\nadapter_profile: simulation\nbase: no-such-ref\n", 0, "no-such-ref"),
    "an option for a base": ("goal: x\nadapter_profile: simulation\nbase: --all\n", 0, "--all"),
    "a base of no step": ("goal: x\nadapter_profile: simulation\nbase: step:none\n", 0, "none"),
    "a validation twice": (
        "goal: x\nvalidations: [{name: a, command: b}, {name: a, command: c}]\n",
        422,
        r"task\.yaml:2: validations",
    ),
    "a validation without a command": ("goal: x\nvalidations: [{name: a}]\n", 422, r"validations.*command"),
    "a report that is none": ("goal: x\nvalidations: [{name: a, command: b, report: tap}]\n", 422, "report"),
    "another agent that nobody knows": (
        "goal: x\nadapter_profile: simulation\nfallback_adapters: [nobody]\n",
        0,
        "nobody.*simulation",
    ),
}


@pytest.fixture(scope="module")
def before(quiet: Any, look: Look) -> dict[str, object]:
    return look(quiet)


@pytest.fixture(autouse=True)
def _nothing_changes(quiet: Any, look: Look, before: dict[str, object]) -> Iterator[None]:
    """Ledger, refs, checkout and the names of all files are after each refusal what they were before."""
    yield
    assert look(quiet) == before


def refused(done: Any, named: str) -> None:
    """The command line refused: one document on stdout, the reason in it, the same for people on stderr."""
    assert done.code == 1, done
    assert set(done.json) == {"error", "message", "status"}
    assert re.search(named, done.json["message"], re.DOTALL), done.json
    assert done.json["message"].splitlines()[0][:60] in done.err


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_bad_document_is_refused_by_both_doors_without_a_trace(
    quiet: Any, ask: Ask, case: str, tmp_path: Path
) -> None:
    text, status, named = DOCUMENTS[case]
    (tmp_path / "task.yaml").write_text(text)
    refused(quiet.run("submit", "r", str(tmp_path / "task.yaml"), "--json"), named)
    body = {"text": text, "format": "yaml", "source_kind": "task_file", "source_name": "task.yaml"}
    answer = ask(quiet, "POST", "runs/r/steps", body)
    assert answer.status in ((status,) if status else (400, 404, 422)), answer
    assert re.search(named, answer.json["detail"], re.DOTALL), answer


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", r"stdin:1"),
        ('{"goal": "x",}', r"stdin:1"),
        ('{"goal": "x"} {}', r"stdin:1"),
        ("{'goal': 'x'}", r"stdin:1"),
        ('{"goal": "x",\n"goal": "y"}', r"stdin:2.*goal"),
        ('{"goal": 1}', r"stdin:1: goal"),
        ('{"goal": "x", "timeout_seconds": 1.5}', r"stdin:1: timeout_seconds"),
        ('{"goal": "x", "timeout_seconds": 1e400}', r"stdin:1"),
        ('{"goal": "x", "timeout_seconds": NaN}', r"stdin:1"),
        ('{"goal": "\\ud800"}', "goal"),
        ("[" * 100_000, r"stdin"),
        ('"goal"', "mapping|object"),
    ],
)
def test_bad_json_is_refused_without_a_trace(quiet: Any, text: str, named: str) -> None:
    refused(quiet.run("submit", "r", "--task-json", "-", "--json", stdin=text), named)


def test_no_bad_name_reaches_a_path_or_a_shell(quiet: Any, ask: Ask) -> None:
    for name in NAMES:
        document = json.dumps({**GOAL, "step_id": name})
        overrides = {**GOAL, "step_id": name}
        answers = {
            "a run": ask(quiet, "POST", "runs", {"id": name}),
            "a step": ask(quiet, "POST", "runs/r/steps", {"text": document, "format": "json"}),
            "an override": ask(
                quiet, "POST", "runs/r/steps", {"text": "x", "format": "text", "overrides": overrides}
            ),
        }
        for what, answer in answers.items():
            assert answer.status == 422, (what, name, answer)
            assert answer.json["code"] == "invalid_input", (what, name, answer)
            assert all(each.isprintable() or each == "\n" for each in answer.json["detail"]), (what, name)


@pytest.mark.parametrize("name", ["../../outside", "a\nb", "a\u202eb", "$(touch outside)", ""])
def test_no_bad_name_passes_the_command_line(quiet: Any, name: str) -> None:
    refused(quiet.run("run", "start", "--json", "--", name), "run id")
    task = json.dumps({**GOAL, "step_id": name})
    refused(quiet.run("submit", "r", "--task-json", "-", "--json", stdin=task), "step_id")
    for words in (("run", "state"), ("step", "logs"), ("step", "path"), ("step", "artifacts"), ("land",)):
        done = quiet.run(*words, "--json", "--", name)
        assert done.code == 1, done


def test_addresses_lead_to_nothing_but_the_record(quiet: Any, ask: Ask) -> None:
    for address in (
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "r%2F..%2Fdone",
        "%00",
        "%FF",
        "done%0A",
        "%",
    ):
        for path in (f"runs/{address}", f"steps/{address}/logs", f"artifacts/{address}/content"):
            assert ask(quiet, "GET", path).status in (400, 404, 422), path


def test_a_run_and_a_key_are_used_once(quiet: Any, ask: Ask) -> None:
    for name in ("r", "R"):
        refused(quiet.run("run", "start", name, "--json"), "choose another")
        assert ask(quiet, "POST", "runs", {"id": name}).status == 409
    for run in ("missing", "r/done", "step_00000000000000000000000000"):
        done = quiet.run("submit", run, "--goal", "simulate: write x x", "--adapter", "simulation", "--json")
        assert (done.code, done.json["error"]) == (1, "not_found"), done


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 10 * 1024 * 1024])
def test_a_goal_of_megabytes_is_refused_by_both_doors(
    quiet: Any, ask: Ask, tmp_path: Path, size: int
) -> None:
    (tmp_path / "goal.md").write_text("x" * size)
    words = ("submit", "r", "--prompt-file", str(tmp_path / "goal.md"), "--adapter", "simulation")
    done = quiet.run(*words, "--json")
    assert (done.code, done.json["error"]) == (1, "too_large"), done
    assert "1 MiB" in done.json["message"] or "1048576" in done.json["message"], done
    body = {"text": "x" * size, "format": "text", "overrides": {"adapter_profile": "simulation"}}
    answer = ask(quiet, "POST", "runs/r/steps", body)
    assert answer.status == 413, answer
