"""The adapters of agents that print JSON, with output of real runs cut anywhere, and with garbage."""

import json
import random
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.adapters import load
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec

CAPTURES = Path(__file__).parents[2] / "captures"
AGENTS = ("claude", "codex", "gemini", "qwen")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal might obey, or use to show something else than what is there."""

DONE, BROKEN, DECLINED = Ending.SUCCEEDED, Ending.BROKEN, Ending.DECLINED
NONE, AUTH, QUOTA, OVERLOAD = ErrorKind.NONE, ErrorKind.AUTH, ErrorKind.QUOTA, ErrorKind.OVERLOAD
MALFORMED, LIMIT, CRASH, DENIED = (
    *(ErrorKind.MALFORMED, ErrorKind.LIMIT, ErrorKind.CRASH),
    ErrorKind.PERMISSION_DENIED,
)

RUNS: dict[str, tuple[int, Ending, ErrorKind, tuple[int | None, int | None]]] = {
    "claude/edit": (0, DONE, NONE, (4468, 112)),
    "claude/edit_1-newer": (0, DONE, NONE, (4468, 112)),
    "claude/badtool": (0, DONE, NONE, (4468, 112)),
    "claude/cut": (0, DONE, NONE, (2234, 56)),  # it takes half an answer for a whole one
    "claude/cut-newer": (1, BROKEN, OVERLOAD, (4468, 96)),
    "claude/malformed-newer": (1, BROKEN, MALFORMED, (0, 0)),
    "claude/default_permission": (0, DECLINED, DENIED, (4468, 112)),
    "claude/e401": (1, BROKEN, AUTH, (0, 0)),
    "claude/e429": (1, BROKEN, QUOTA, (0, 0)),
    "claude/e529": (1, BROKEN, OVERLOAD, (0, 0)),
    "claude/malformed": (1, BROKEN, MALFORMED, (0, 0)),
    "claude/max_turns": (1, BROKEN, LIMIT, (6702, 168)),
    "claude/resume_bad_id": (1, BROKEN, CRASH, (0, 0)),
    "claude/resume_other_cwd-newer": (0, DONE, NONE, (8936, 224)),
    "claude/hang_INT": (0, BROKEN, MALFORMED, (None, None)),
    "claude/tool_INT_group": (0, BROKEN, CRASH, (2234, 56)),
    "codex/edit": (0, DONE, NONE, (2468, 112)),
    "codex/failing_command": (0, DONE, NONE, (2468, 112)),
    "codex/resume_2": (0, DONE, NONE, (4936, 224)),
    "codex/cut": (1, BROKEN, MALFORMED, (None, None)),
    "codex/e401": (1, BROKEN, AUTH, (None, None)),
    "codex/e429": (1, BROKEN, QUOTA, (None, None)),
    "codex/e500": (1, BROKEN, OVERLOAD, (None, None)),
    "codex/malformed": (1, BROKEN, MALFORMED, (None, None)),
    "codex/hang_INT": (1, BROKEN, CRASH, (None, None)),
    "gemini/edit": (0, DONE, NONE, (2468, 112)),
    "gemini/default_permission": (0, DONE, NONE, (1234, 56)),  # it was offered no tool, and says so
    "gemini/e401": (145, BROKEN, AUTH, (0, 0)),
    "gemini/malformed": (1, BROKEN, MALFORMED, (0, 0)),
    "gemini/hang_INT_group": (0, BROKEN, MALFORMED, (None, None)),
    "qwen/edit": (0, DONE, NONE, (2468, 112)),
    "qwen/edit-older": (0, DONE, NONE, (2468, 112)),
    "qwen/default_permission": (0, DONE, NONE, (3702, 168)),
    "qwen/e401": (1, BROKEN, AUTH, (0, 0)),
    "qwen/malformed": (1, BROKEN, MALFORMED, (0, 0)),
    "qwen/max_turns": (53, BROKEN, CRASH, (None, None)),
}


def output(run: str) -> bytes:
    return (CAPTURES / f"{run}.jsonl").read_bytes()


def ended(code: int) -> ExitRecord:
    return ExitRecord(reason=ExitReason.EXITED, code=code)


def read(run: str, pieces: Iterator[bytes], code: int) -> tuple[list[AgentEvent], AgentOutcome]:
    parser = load(run.split("/", maxsplit=1)[0]).parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events, parser.finish(ended(code), None)


@pytest.mark.parametrize("run", RUNS)
def test_what_a_real_run_comes_to(run: str) -> None:
    code, ending, kind, tokens = RUNS[run]
    events, outcome = read(run, iter([output(run)]), code)
    assert (outcome.ending, outcome.error_kind) == (ending, kind), outcome
    assert (outcome.input_tokens, outcome.output_tokens) == tokens
    assert bool(outcome.error) == (ending is not DONE)
    if ending is DONE:
        assert outcome.summary
        assert outcome.session_id
        assert any(event.kind is AgentEventKind.MESSAGE for event in events)


def test_there_is_no_capture_without_an_expectation() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in CAPTURES.glob("*/*.jsonl")}
    assert {run for run in found if run.split("/")[0] in AGENTS} == set(RUNS)


@pytest.mark.parametrize("agent", AGENTS)
def test_an_edit_is_told_in_full(agent: str) -> None:
    events, outcome = read(f"{agent}/edit", iter([output(f"{agent}/edit")]), 0)
    kinds = [event.kind for event in events]
    call, result = kinds.index(AgentEventKind.TOOL_CALL), kinds.index(AgentEventKind.TOOL_RESULT)
    assert call < result < kinds.index(AgentEventKind.MESSAGE) < kinds.index(AgentEventKind.USAGE)
    assert events[call].data["id"] == events[result].data["id"]
    assert events[result].data["failed"] is False
    assert "hello" in events[call].text
    if agent != "codex":  # which edits with its shell
        assert events[kinds.index(AgentEventKind.FILE_EDIT)].data["path"] == "/tmp/repo/hello.txt"
    if agent == "claude":
        assert (outcome.cost_microusd, outcome.model) == (16140, "claude-opus-4-8[1m]")


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_an_error_that_was_tried_again_is_told_apart_from_the_last_one(agent: str) -> None:
    events, _ = read(f"{agent}/e401", iter([output(f"{agent}/e401")]), 1)
    final = [event.data["final"] for event in events if event.kind is AgentEventKind.ERROR]
    assert final[-1] is True
    assert set(final[:-1]) == {False}


@pytest.mark.parametrize("run", RUNS)
def test_pieces_may_be_cut_anywhere(run: str) -> None:
    code, data = RUNS[run][0], output(run)
    whole = read(run, iter([data]), code)
    assert read(run, (bytes([byte]) for byte in data), code) == whole
    choose = random.Random(run)
    for _ in range(5):
        cuts = sorted(choose.sample(range(len(data) + 1), k=min(len(data), 9)))
        pieces = (data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True))
        assert read(run, pieces, code) == whole


@pytest.mark.parametrize("agent", AGENTS)
def test_output_that_was_cut_off_is_never_a_success(agent: str) -> None:
    data = output(f"{agent}/edit").rstrip(b"\n")
    for end in range(0, data.rindex(b"\n") + 2, 97):
        _, outcome = read(f"{agent}/edit", iter([data[:end]]), 0)
        assert outcome.ending is not DONE, data[:end][-80:]


@pytest.mark.parametrize("agent", AGENTS)
@given(data=st.data())
def test_garbage_never_raises(agent: str, data: st.DataObject) -> None:
    lines = output(f"{agent}/edit").splitlines()
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )
    parser = load(agent).parser()
    for _ in range(data.draw(st.integers(0, 5))):
        line = bytearray(data.draw(st.sampled_from(lines)))
        at = data.draw(st.integers(0, len(line)))
        if data.draw(st.booleans()):
            line[at:at] = data.draw(st.binary(max_size=20))
        else:
            line = bytearray(_swapped(bytes(line), data.draw(values)))
        for event in parser.feed(bytes(line) + b"\n"):
            assert not UNSAFE.search(event.text)
    parser.finish(data.draw(st.none() | st.builds(ended, st.integers(0, 255))), None)


def _swapped(line: bytes, value: object) -> bytes:
    """The line with another value in one place of it."""
    said = json.loads(line)
    keys = sorted(said)
    said[keys[len(line) % len(keys)]] = value
    return json.dumps(said).encode()


@pytest.mark.parametrize("agent", AGENTS)
def test_a_line_of_fifty_megabytes_costs_little(agent: str) -> None:
    parser = load(agent).parser()
    piece = b"x" * 1_000_000
    tracemalloc.start()
    parser.feed(b'{"type": "assistant", "text": "')
    for _ in range(50):
        parser.feed(piece)
    parser.feed(b'"}\n' + output(f"{agent}/edit"))
    outcome = parser.finish(ended(0), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert outcome.ending is DONE
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("agent", "variable", "file"),
    [
        ("claude", "ANTHROPIC_API_KEY", ".claude/.credentials.json"),
        ("codex", "CODEX_API_KEY", ".codex/auth.json"),
        ("gemini", "GEMINI_API_KEY", ".gemini/oauth_creds.json"),
        ("qwen", "OPENAI_API_KEY", ".qwen/oauth_creds.json"),
    ],
)
def test_only_what_certainly_has_no_sign_in_is_refused(
    agent: str, variable: str, file: str, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / agent
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environ = {"PATH": str(program.parent), "HOME": str(tmp_path)}
    bare = load(agent).probe(environ)
    assert (bare.installed, bare.signed_in) == (True, False)
    assert variable in bare.problem
    keyed = load(agent).probe({**environ, variable: "k"})
    assert (keyed.signed_in, keyed.problem) == (True, "")
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text("{}")
    assert load(agent).probe(environ).problem == ""
    gone = load(agent).probe({"PATH": "/nonexistent", "HOME": str(tmp_path)})
    assert not gone.installed
    assert "npm install" in gone.problem


@pytest.mark.parametrize("agent", AGENTS)
def test_settings_of_a_built_in_agent_reach_its_command_line(agent: str, tmp_path: Path) -> None:
    settings = AdapterSettings(name=agent, program="/opt/own", model="m-1", arguments=("--extra", "word"))
    prompt = "-x " + "ä" * 200_000
    assignment = Assignment(
        task=TaskSpec(goal=prompt),
        prompt=prompt,
        workspace=tmp_path,
        task_file=tmp_path / "task.json",
        prompt_file=tmp_path / "prompt.txt",
        result_file=tmp_path / "result.json",
        report_file=tmp_path / "report.json",
    )
    launch = load(agent, settings).launch(assignment)
    assert launch.argv[0] == "/opt/own"
    assert "m-1" in launch.argv
    assert "--extra word" in " ".join(launch.argv)
    assert launch.stdin == prompt.encode()
    assert not any("ää" in word for word in launch.argv)


@pytest.mark.parametrize("agent", ["gemini", "qwen"])
def test_who_chooses_the_approval_mode_is_not_overruled(agent: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    assignment = Assignment(
        task=TaskSpec(goal="g"),
        prompt="g",
        workspace=tmp_path,
        task_file=file,
        prompt_file=file,
        result_file=file,
        report_file=file,
    )

    def modes(*arguments: str) -> list[str]:
        argv = load(agent, AdapterSettings(name=agent, arguments=arguments)).launch(assignment).argv
        return [word for word in argv if word in ("--approval-mode", "yolo", "default")]

    assert modes() == ["--approval-mode", "yolo"]
    assert modes("--approval-mode", "default") == ["--approval-mode", "default"]
