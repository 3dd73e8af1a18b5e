"""Bad input through the command line: a clear error, the right code, one JSON document, no change."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NewRun = Callable[[], str]
SIMULATED = ("--adapter", "simulation")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), "usage"),
        (("explode",), "usage"),
        (("step",), "usage"),
        (("step", "explode"), "usage"),
        (("step", "state"), "usage"),
        (("step", "state", "x", "--explode"), "usage"),
        (("step", "wait", "x", "--timeout", "soon"), "usage"),
        (("land", "x", "--as", "poem"), "usage"),
        (("run", "start", "a/b"), "invalid_input"),
        (("run", "start", "../x"), "invalid_input"),
        (("run", "start", "a b"), "invalid_input"),
        (("run", "start", "-x"), "usage"),
        (("run", "start", "--", "-x"), "invalid_input"),
        (("run", "start", ".x"), "invalid_input"),
        (("run", "start", "a\x07b"), "invalid_input"),
        (("run", "start", "a\u202eb"), "invalid_input"),
        (("run", "start", "x" * 65), "invalid_input"),
        (("run", "start", "x", "p", "--project", "q"), "invalid_input"),
        (("run", "state", "none"), "not_found"),
        (("run", "list", "--state", "lost"), "invalid_input"),
        (("submit", "none", "--goal", "x"), "not_found"),
        (("submit", "none"), "invalid_input"),
        (("submit", "none", "--goal", "x", "--stdin"), "invalid_input"),
        (("submit", "none", "missing.yaml"), "not_found"),
        (("submit", "none", "."), "invalid_input"),
        (("step", "state", "none"), "not_found"),
        (("step", "logs", "none"), "not_found"),
        (("step", "logs", "none", "--follow"), "invalid_input"),
        (("step", "answer", "none", "x"), "not_found"),
        (("land", "none"), "not_found"),
        (("land", "none", "name"), "invalid_input"),
        (("land", "none", "--as", "branch"), "invalid_input"),
    ],
)
def test_usage_and_names(shared: Any, words: tuple[str, ...], error: str) -> None:
    runs = shared.run("run", "list", "--json").out
    # `--json` stands where an option may: before a `--` that ends them.
    at = words.index("--") if "--" in words else len(words)
    done = shared.run(*words[:at], "--json", *words[at:])
    assert done.code == 1, done
    assert set(done.json) == {"error", "message", "status"}
    assert done.json["error"] == error, done
    assert done.json["message"] in done.err or error == "usage"
    assert shared.run("run", "list", "--json").out == runs


TASKS = {
    "not yaml": ("goal: [", "t.yaml:2"),
    "not a mapping": ("- goal", "mapping"),
    "unknown key": ("goal: x\ngaol: y\n", "gaol"),
    "duplicate key": ("goal: x\ngoal: y\n", "goal"),
    "wrong type": ("goal: x\ntimeout_seconds: soon\n", "timeout_seconds"),
    "no goal": ("title: x\n", "goal"),
    "empty goal": ("goal: '  '\n", "goal"),
    "another run": ("goal: x\nrun_id: other\n", "run_id"),
    "slash in the id": ("goal: x\nstep_id: ../../etc\n", "step_id"),
    "bidi in the id": ("goal: x\nstep_id: a\u202eb\n", "step_id"),
    "unknown adapter": ("goal: x\nadapter_profile: nobody\n", "nobody"),
    "unknown policy": ("goal: x\npolicy_bundle: none_such\nadapter_profile: simulation\n", "none_such"),
    "unknown base": ("goal: x\nbase: no-such-ref\nadapter_profile: simulation\n", "no-such-ref"),
    "unknown report": (
        "goal: x\nadapter_profile: simulation\nvalidations: [{name: a, command: b, report: 'tap:x'}]\n",
        "report",
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_task_documents(shared: Any, new_run: NewRun, tmp_path: Path, case: str) -> None:
    text, named = TASKS[case]
    run = new_run()
    (tmp_path / "t.yaml").write_text(text)
    done = shared.run("submit", run, str(tmp_path / "t.yaml"), "--json")
    assert done.code == 1, done
    assert named in done.json["message"], done
    assert done.json["status"] in (400, 404, 409, 422)
    assert shared.json("step", "list", run) == []


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 10 * 1024 * 1024])
def test_a_goal_that_is_too_long(shared: Any, new_run: NewRun, tmp_path: Path, size: int) -> None:
    run = new_run()
    (tmp_path / "long.txt").write_text("x" * size)
    done = shared.run("submit", run, "--prompt-file", str(tmp_path / "long.txt"), *SIMULATED, "--json")
    assert (done.code, done.json["error"]) == (1, "too_large")
    assert shared.json("step", "list", run) == []


def test_what_is_not_text(shared: Any, new_run: NewRun) -> None:
    done = shared.run("submit", new_run(), "--stdin", *SIMULATED, "--json", stdin=b"\xff\xfe")
    assert (done.code, done.json["error"]) == (1, "invalid_input")


def test_options_belong_to_direct_sources(shared: Any, new_run: NewRun, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("goal: x\n")
    done = shared.run("submit", new_run(), str(tmp_path / "t.yaml"), "--title", "x", "--json")
    assert (done.code, done.json["error"]) == (1, "invalid_input")


def test_outside_of_a_repository(shared: Any, tmp_path: Path) -> None:
    done = shared.run("run", "list", "--json", cwd=tmp_path)
    assert (done.code, done.json["error"]) == (1, "not_found")
    assert shared.run("doctor", cwd=tmp_path).code == 5


def test_in_a_bare_repository(shared: Any, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "bare"], check=True)
    done = shared.run("start", "--json", cwd=tmp_path / "bare")
    assert (done.code, done.json["error"]) == (1, "invalid_input")
    assert not (tmp_path / "bare" / "codencer").exists()


def test_in_a_repository_without_a_commit(shared: Any, tmp_path: Path) -> None:
    top = tmp_path / "unborn"
    subprocess.run(["git", "init", "--quiet", top], check=True)
    try:
        assert shared.run("doctor", cwd=top).code == 5
        assert shared.run("run", "start", "r", cwd=top).code == 0
        done = shared.run("submit", "r", "--goal", "x", *SIMULATED, "--json", cwd=top)
        assert done.code == 1, done
        assert "commit" in done.json["message"]
    finally:
        shared.run("stop", cwd=top)


def test_a_state_folder_that_cannot_be_made(place: Any) -> None:
    place.state.write_text("in the way")
    done = place.run("start", "--json")
    assert (done.code, done.json["error"]) == (5, "storage_failed")
    assert place.state.read_text() == "in the way"
    place.state.unlink()


def test_output_that_cannot_be_written(shared: Any) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            shared.command("version"), env=shared.env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 5
    assert b"could not be written" in done.stderr


def test_an_address_that_is_not_one(shared: Any) -> None:
    for address in ("https://127.0.0.1:1", "http://127.0.0.1:x", "nonsense", "http://h/p"):
        done = shared.run("run", "list", "--json", env={"ORCHESTRATORD_URL": address})
        assert (done.code, done.json["error"]) == (1, "invalid_input"), address
