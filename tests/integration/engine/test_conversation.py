"""Tasks of a real two-way agent: what it asks is recorded, answered by policy, a person or the clock."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import Conflict, InvalidInput, NotFound
from codencer.ledger import verify
from codencer.model.attempt import ErrorKind
from codencer.model.event import EventKind
from codencer.model.question import AgentQuestion, AnsweredBy, QuestionState
from codencer.model.step import Step, StepState
from codencer.testing import scripted_acp_agent

Open = Callable[..., Any]
AGENT = [sys.executable, "-I", "-S", scripted_acp_agent.__file__]


@pytest.fixture
def make(make_repo: Callable[..., Path]) -> Callable[..., Path]:
    """`make(approvals="ask")`: a repository with the scripted agent as the adapter `two-way`."""

    def repository(*options: str, **settings: object) -> Path:
        table = {"command": [*AGENT, *options], "protocol": "acp", **settings}
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        config = "\n".join(["[adapters.two-way]", *lines, ""])
        return make_repo({"code.txt": "broken\n", ".codencer/config.toml": config})

    return repository


def task(*directives: str, **more: object) -> dict[str, Any]:
    goal = "\n".join(f"simulate: {each}" for each in directives)
    return {"goal": goal, "adapter_profile": "two-way", "is_simulation": False, **more}


async def asked(house: Any, step: Step, number: int = 1) -> list[AgentQuestion]:
    """Wait, by event, until so many questions are in the record; those that are open."""
    left = number
    async for event in house.engine.events(step=step.id):
        left -= event.kind is EventKind.QUESTION_ASKED
        if not left:
            break
    return [each for each in await house.engine.questions(step.id) if each.state is QuestionState.OPEN]


async def waiting_for(house: Any, step: Step) -> str:
    """What the step waits for, as soon as it says so."""
    async with asyncio.timeout(20):
        while (reason := house.engine.waiting_reason(step)) is None:
            await house.engine.get_step(step.id)
    return str(reason)


async def artifact(house: Any, step: Step, name: str) -> str:
    found = {each.name: each for each in await house.engine.artifacts(step.id)}
    _, path = await house.engine.artifact(found[name].id)
    return str(path.read_text())


async def test_an_unattended_agent_works_and_leaves_its_evidence(make: Open, open_engine: Open) -> None:
    top = make()
    async with open_engine(top) as house:
        step = await house.run_to_end(
            **task("think hm", "plan look; mend", "write code.txt fixed", "usage 30 12", "say mended it")
        )
        result = await house.engine.result(step.id)
        transcript = [
            json.loads(each) for each in (await artifact(house, step, "transcript.jsonl")).split("\n") if each
        ]
        names = {each.name for each in await house.engine.artifacts(step.id)}
        log = await artifact(house, step, "conversation.log")
        assert result.raw_output_ref == result.artifacts["conversation.log"]
        (question,) = await house.engine.questions(step.id)
    assert (step.state, step.summary) == (StepState.COMPLETED, "mended it")
    assert [each.path for each in result.files_changed] == ["code.txt"]
    assert (result.agent.input_tokens, result.agent.output_tokens) == (30, 12)
    assert result.agent.session_id
    kinds = ["thought", "plan", "tool_call", "permission", "tool_result", "file_edit", "message", "usage"]
    assert [each["kind"] for each in transcript] == kinds
    assert "stdout.log" not in names
    assert "session/prompt" in log
    assert (question.option, question.by, question.actor) == ("allow", AnsweredBy.POLICY, "bridge")
    assert verify(top / ".git" / "codencer" / "codencer.db").ok


async def test_a_person_allows(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="ask")) as house:
        step = await house.submit(**task("write code.txt fixed", "say done"))
        (question,) = await asked(house, step)
        waiting = await waiting_for(house, step)
        during = await house.engine.result(step.id)
        with pytest.raises(InvalidInput, match="offers 'allow'"):
            await house.engine.answer(step.id, "perhaps", "ann")
        with pytest.raises(NotFound):
            await house.engine.answer(step.id, "allow", "ann", question="qst_" + "0" * 26)
        await house.engine.answer(step.id, "Allow", "ann", question=question.id)
        with pytest.raises(Conflict, match="answered already, by ann"):
            await house.engine.answer(step.id, "deny", "bob", question=question.id)
        settled = await house.settled(step)
        (answered,) = await house.engine.questions(step.id)
    assert waiting == "waits for an answer: Write code.txt"
    assert during.questions == ("Write code.txt",)
    assert during.needs_human_decision
    assert settled.state is StepState.COMPLETED
    assert (question.tool, question.text, [each.id for each in question.options]) == (
        "edit",
        "Write code.txt",
        ["allow", "always", "reject"],
    )
    assert (answered.id, answered.option, answered.by, answered.actor) == (
        question.id,
        "allow",
        "person",
        "ann",
    )


async def test_a_person_refuses(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="ask")) as house:
        step = await house.submit(**task("write code.txt fixed", "say done"))
        await asked(house, step)
        await house.engine.answer(step.id, "deny", "ann")
        settled = await house.settled(step)
        result = await house.engine.result(step.id)
    assert settled.state is StepState.COMPLETED
    assert result.files_changed == ()
    assert result.warnings[:1] == ("not allowed (by person): Write code.txt",)


async def test_several_questions_at_once(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="ask")) as house:
        step = await house.submit(**task("pair make a; make b"))
        first, second = await asked(house, step, 2)
        with pytest.raises(Conflict, match="several questions"):
            await house.engine.answer(step.id, "allow", "ann")
        await house.engine.answer(step.id, "allow", "ann", question=second.id)
        await house.engine.answer(step.id, "deny", "ann")
        settled = await house.settled(step)
    assert first.text == "make a"
    assert settled.summary == "make a: no, make b: yes"


async def test_what_is_in_scope_is_allowed_and_the_rest_asked(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="scope")) as house:
        scope = {"allowed_paths": ["*.txt"], "forbidden_paths": ["secret.txt"]}
        step = await house.submit(**task("write code.txt fixed", "write secret.txt x", "run true", **scope))
        for number in (2, 3):
            (question,) = await asked(house, step, number)
            await house.engine.answer(step.id, "deny", "ann", question=question.id)
        settled = await house.settled(step)
        questions = await house.engine.questions(step.id)
    assert settled.state is StepState.COMPLETED
    assert [(each.text, each.by) for each in questions] == [
        ("Write code.txt", AnsweredBy.POLICY),
        ("Write secret.txt", AnsweredBy.PERSON),
        ("true", AnsweredBy.PERSON),
    ]


async def test_nobody_is_asked_where_all_is_refused(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="deny")) as house:
        step = await house.run_to_end(**task("write code.txt fixed"))
        result = await house.engine.result(step.id)
    assert result.warnings[:1] == ("not allowed (by policy): Write code.txt",)
    assert result.files_changed == ()


async def test_a_question_outlives_the_daemon_and_so_does_its_deadline(make: Open, open_engine: Open) -> None:
    top = make(approvals="ask", approval_seconds=3600)
    async with open_engine(top) as house:
        step = await house.submit(**task("write code.txt fixed", "say done"))
        (question,) = await asked(house, step)
    async with open_engine(top) as house:
        assert await house.engine.questions(step.id) == [question]
        assert await waiting_for(house, step) == "waits for an answer: Write code.txt"
        await house.engine.answer(step.id, "allow", "ann")
        assert (await house.settled(step)).summary == "done"
        assert len(await house.engine.questions(step.id)) == 1


async def test_a_deadline_passes_while_no_daemon_runs(make: Open, open_engine: Open) -> None:
    top = make(approvals="ask", approval_seconds=1)
    async with open_engine(top) as house:
        step = await house.submit(**task("write code.txt fixed", "say done"))
        (question,) = await asked(house, step)
    async with open_engine(top) as house:
        await house.settled(step)
        (answered,) = await house.engine.questions(step.id)
        result = await house.engine.result(step.id)
    assert result.warnings[:1] == ("not allowed (by timeout): Write code.txt",)
    assert (answered.id, answered.expires_at) == (question.id, question.expires_at)
    assert (answered.by, answered.option) == (AnsweredBy.TIMEOUT, "reject")


async def test_silence_counts_only_while_nobody_is_asked(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="ask", approval_seconds=2)) as house:
        step = await house.run_to_end(**task("run true", "hang", idle_timeout_seconds=1))
        (question,) = await house.engine.questions(step.id)
    assert question.by is AnsweredBy.TIMEOUT, "its second of silence did not end it"
    assert step.state is StepState.TIMEOUT


async def test_a_cancel_leaves_a_question_void(make: Open, open_engine: Open) -> None:
    async with open_engine(make(approvals="ask")) as house:
        step = await house.submit(**task("write code.txt fixed"))
        await asked(house, step)
        await house.engine.cancel(step.id, "ann")
        settled = await house.settled(step)
        (question,) = await house.engine.questions(step.id)
        with pytest.raises(Conflict, match="its agent has ended"):
            await house.engine.answer(step.id, "allow", "ann", question=question.id)
        with pytest.raises(Conflict, match="no question"):
            await house.engine.answer(step.id, "allow", "ann")
    assert settled.state is StepState.CANCELLED
    assert question.state is QuestionState.VOID


async def test_files_go_through_the_bridge_and_never_out_of_the_workspace(
    make: Open, open_engine: Open, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine\n")
    script = [
        "hand deep/er/new.txt hello",
        f"do ln -s {tmp_path} away",
        f"hand {outside} theirs",
        "hand away/outside.txt theirs",
        "hand ../escaped.txt theirs",
        "hand .git/config theirs",
        "do mkfifo pipe",
        "fetch pipe",
        "fetch deep/er/new.txt",
    ]
    async with open_engine(make()) as house:
        step = await house.run_to_end(**task(*script))
        messages = [
            json.loads(line)["text"]
            for line in (await artifact(house, step, "transcript.jsonl")).splitlines()
        ]
        result = await house.engine.result(step.id)
    assert outside.read_text() == "mine\n"
    assert messages[-1] == "hello", messages
    assert f"away -> {tmp_path}" in step.summary, "the link is left for a person to look at"
    said = "".join(messages)
    assert said.count("not inside the workspace") == 2
    assert "belongs to git" in said
    assert "not a regular file" in said
    assert {each.path for each in result.files_changed} == {"away", "deep/er/new.txt"}


@pytest.mark.parametrize(
    ("directives", "state", "kind", "words"),
    [
        (["stop refusal"], StepState.FAILED_TERMINAL, ErrorKind.REFUSED, "refused"),
        (["stop max_tokens"], StepState.FAILED_ADAPTER, ErrorKind.LIMIT, "most tokens"),
        (["stop cancelled"], StepState.FAILED_ADAPTER, ErrorKind.CRASH, "nobody had cancelled"),
        (["stop sideways"], StepState.FAILED_ADAPTER, ErrorKind.MALFORMED, "sideways"),
        (["fail -32000 sign in"], StepState.FAILED_ADAPTER, ErrorKind.AUTH, "sign in"),
        (["fail 429 slow down"], StepState.FAILED_ADAPTER, ErrorKind.QUOTA, "slow down"),
        (["fail 503 later"], StepState.FAILED_ADAPTER, ErrorKind.OVERLOAD, "later"),
        (["exit 3"], StepState.FAILED_ADAPTER, ErrorKind.CRASH, "code 3"),
        (["exit 0"], StepState.FAILED_ADAPTER, ErrorKind.CRASH, "in the middle"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
async def test_how_a_turn_ends_decides(
    make: Open, open_engine: Open, directives: list[str], state: StepState, kind: ErrorKind, words: str
) -> None:
    async with open_engine(make()) as house:
        step = await house.run_to_end(**task(*directives))
        result = await house.engine.result(step.id)
    assert (step.state, result.agent.error_kind) == (state, kind)
    assert words in step.summary


async def test_an_agent_that_stays_is_stopped_and_has_succeeded(
    make_repo: Callable[..., Path], open_engine: Open, tmp_path: Path
) -> None:
    """As the one agent that is known for it, and given a second."""
    program = tmp_path / "codex-acp"
    program.write_text(f'#!/bin/sh\nexec {" ".join(AGENT)} "$@"\n')
    program.chmod(0o755)
    config = f'[adapters.acp-codex]\nprogram = "{program}"\narguments = ["--free"]\n'
    script = task("noise some library", "request odd/thing", "notify odd/news", "stay")
    async with open_engine(make_repo({".codencer/config.toml": config})) as house:
        step = await house.run_to_end(**script | {"adapter_profile": "acp-codex"})
        result = await house.engine.result(step.id)
    assert (step.state, step.summary) == (StepState.COMPLETED, "-32601")
    assert result.agent.signal is not None


SPEAKER = """
import glob, json, os, socket, sys
os.chdir(glob.glob(sys.argv[1] + "/launches/*/agent-1")[0])
line = socket.socket(socket.AF_UNIX)
line.connect("socket")
heard = line.makefile("rb")
heard.readline()
outcome = {"outcome": "selected", "optionId": "allow"}
said = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"outcome": outcome}}).encode() + b"\\n"
line.sendall(b"send %d answer-1\\n" % len(said) + said)
heard.readline()
"""


async def test_who_answers_its_own_question_is_found_out(
    make: Open, open_engine: Open, tmp_path: Path
) -> None:
    """The socket of the conversation is within the reach of an agent of the same user."""
    top, speaker = make(approvals="ask"), tmp_path / "speaker.py"
    speaker.write_text(SPEAKER)
    os.mkfifo(tmp_path / "asked")
    answering = f"leave read x < {tmp_path}/asked; exec {sys.executable} {speaker} {top}/.git/codencer"
    script = [answering, "write code.txt fixed", "hang"]
    async with open_engine(top, sandbox="none") as house:
        step = await house.submit(**task(*script))
        await asked(house, step)
        await asyncio.to_thread((tmp_path / "asked").write_text, "go\n")
        settled = await house.settled(step)
        result = await house.engine.result(step.id)
    assert settled.state is StepState.FAILED_ADAPTER
    assert "did not say (answer-1)" in settled.summary or "took over" in settled.summary
    assert result.agent.error_kind is ErrorKind.MALFORMED


async def test_a_damaged_conversation_ends_the_attempt(make: Open, open_engine: Open) -> None:
    top = make()
    logs = f"{top}/.git/codencer/launches/*/agent-1/conversation"
    spoil = f"do for log in {logs}; do echo nonsense >> $log; done"
    async with open_engine(top, sandbox="none") as house:
        step = await house.run_to_end(**task(spoil, "write code.txt fixed", "hang"))
        result = await house.engine.result(step.id)
    assert step.state is StepState.FAILED_ADAPTER
    assert "damaged" in step.summary
    assert result.snapshot_commit is not None
