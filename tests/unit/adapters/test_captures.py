"""What the built-in agents really printed, and what their adapters conclude from it.

Each folder of `tests/captures/AGENT` is one run of the real agent against a scripted model: `stdout`, and
`report` where the agent wrote one. The command lines were those that the adapters make.
"""

import json
import random
import tracemalloc
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codencer.adapters import load
from codencer.adapters.objects import LONGEST_LINE
from codencer.model.attempt import AgentEvent, AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord

CAPTURES = Path(__file__).parents[2] / "captures"
AGENTS = ("aider", "copilot", "mini-swe-agent", "opencode")
ENDED = ExitRecord(reason=ExitReason.EXITED, code=0)
FAILED = ExitRecord(reason=ExitReason.EXITED, code=1)
TIMED_OUT = ExitRecord(reason=ExitReason.TIMEOUT, signal=15, duration_us=30_000_000)
KILLED = ExitRecord(reason=ExitReason.EXITED, signal=9)
FAULT = "OpenAIException - scripted failure"
NO_ANSWER = (
    "litellm.InternalServerError: InternalServerError: OpenAIException - Empty or invalid response from LLM "
    "endpoint. Received: '<html>this is no model answer</html> {\"a\": '. Check the reverse proxy or model "
    "server configuration."
)
REFUSED = (
    "Authentication failed with provider at http://127.0.0.1:18080/v1 (HTTP 401). Check your "
    "COPILOT_PROVIDER_API_KEY, COPILOT_PROVIDER_API_KEY_COMMAND, or COPILOT_PROVIDER_BEARER_TOKEN."
)
UNAUTHENTICATED = f"litellm.AuthenticationError: AuthenticationError: {FAULT} 401"
HINT = " You can permanently set your API key with `mini-extra config set KEY VALUE`."
LIMITED = f"litellm.RateLimitError: RateLimitError: {FAULT} 429"
DOWN = f"litellm.InternalServerError: InternalServerError: {FAULT} 500"


@cache
def capture(agent: str, run: str) -> tuple[bytes, bytes | None]:
    folder = CAPTURES / agent / run
    report = folder / "report"
    return (folder / "stdout").read_bytes(), report.read_bytes() if report.exists() else None


def read(
    agent: str, pieces: Iterable[bytes], exit: ExitRecord | None, report: bytes | None = None
) -> tuple[list[AgentEvent], AgentOutcome]:
    parser = load(agent).parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events, parser.finish(exit, None, report)


def outcome(agent: str, run: str, exit: ExitRecord) -> AgentOutcome:
    stdout, report = capture(agent, run)
    return read(agent, [stdout], exit, report)[1]


SUCCEEDED = [
    ("opencode", "edit", "FINAL: the tool answered 'Wrote file successfully.'. user_turns=1", 2468, 112, 692),
    ("opencode", "text", "FINAL: word0 word1 word2 word3 word4 user_turns=1", 1234, 56, 346),
    (
        "copilot",
        "edit",
        "FINAL: the tool answered 'Created file /home/u/w'. user_turns=1",
        2468,
        112,
        None,
    ),
    ("copilot", "text", "FINAL: word0 word1 word2 word3 word4 user_turns=1", 1234, 56, None),
    ("aider", "edit", "I will add the file.", 1234, 56, None),
    ("aider", "text", "plain text answer. user_turns=6", 1234, 56, None),
    ("mini-swe-agent", "edit", "FINAL: wrote hello.txt", 2468, 112, None),
]

FAILURES = [
    ("opencode", "e401", FAILED, ErrorKind.AUTH, "scripted failure 401 (HTTP 401)"),
    ("copilot", "e401", FAILED, ErrorKind.AUTH, REFUSED),
    ("aider", "e401", ENDED, ErrorKind.AUTH, UNAUTHENTICATED),
    ("mini-swe-agent", "e401", FAILED, ErrorKind.AUTH, UNAUTHENTICATED + HINT),
    ("aider", "e429", ENDED, ErrorKind.QUOTA, LIMITED),
    ("mini-swe-agent", "e429", FAILED, ErrorKind.QUOTA, LIMITED),
    ("aider", "e500", ENDED, ErrorKind.OVERLOAD, DOWN),
    ("mini-swe-agent", "e500", FAILED, ErrorKind.OVERLOAD, DOWN),
    ("aider", "malformed", ENDED, ErrorKind.MALFORMED, NO_ANSWER),
    ("mini-swe-agent", "malformed", FAILED, ErrorKind.MALFORMED, NO_ANSWER),
    ("mini-swe-agent", "text", ENDED, ErrorKind.MALFORMED, "its model answered in a wrong form too often"),
]


class TestOutcome:
    @pytest.mark.parametrize(("agent", "run", "summary", "sent", "received", "cost"), SUCCEEDED)
    def test_success(
        self, agent: str, run: str, summary: str, sent: int, received: int, cost: int | None
    ) -> None:
        found = outcome(agent, run, ENDED)
        assert (found.ending, found.error_kind, found.error) == (Ending.SUCCEEDED, ErrorKind.NONE, "")
        assert found.summary == summary
        assert (found.input_tokens, found.output_tokens, found.cost_microusd) == (sent, received, cost)
        assert found.warnings == ()

    @pytest.mark.parametrize(("agent", "run", "_summary", "_sent", "_received", "_cost"), SUCCEEDED)
    def test_no_good_word_outranks_a_bad_exit(
        self, agent: str, run: str, _summary: str, _sent: int, _received: int, _cost: int | None
    ) -> None:
        for exit in (FAILED, KILLED, TIMED_OUT):
            assert outcome(agent, run, exit).ending is not Ending.SUCCEEDED

    @pytest.mark.parametrize(("agent", "run", "exit", "kind", "error"), FAILURES)
    def test_failure(self, agent: str, run: str, exit: ExitRecord, kind: ErrorKind, error: str) -> None:
        for each in (exit, ENDED):
            found = outcome(agent, run, each)
            assert (found.ending, found.error_kind) == (Ending.BROKEN, kind)
            assert found.error == f"{agent} failed: {error}"

    @pytest.mark.parametrize("run", ["e500", "malformed"])
    def test_copilot_gives_up_by_itself(self, run: str) -> None:
        found = outcome("copilot", run, FAILED)
        assert found.ending is Ending.BROKEN
        assert found.error.startswith(
            "copilot failed: Failed to get response from the AI model; retried 5 times"
        )
        expected = {"e500": ErrorKind.OVERLOAD, "malformed": ErrorKind.MALFORMED}
        assert found.error_kind is expected[run]

    def test_opencode_never_gives_up_on_nonsense(self) -> None:
        found = outcome("opencode", "malformed", TIMED_OUT)
        assert (found.ending, found.error_kind) == (Ending.TIMED_OUT, ErrorKind.LIMIT)
        assert found.error == (
            "opencode was stopped at its time limit, after 30.0 s; "
            "its last error was: its last step finished with the reason 'unknown'"
        )
        assert outcome("opencode", "malformed", ENDED).ending is Ending.BROKEN

    def test_a_time_limit_is_explained_by_the_error_it_tried_again_after(self) -> None:
        found = outcome("copilot", "e429", TIMED_OUT)
        assert (found.ending, found.error_kind) == (Ending.TIMED_OUT, ErrorKind.LIMIT)
        assert found.error.endswith("; its last error was: a call of the model failed (HTTP 429)")
        assert "its last error" not in outcome("copilot", "edit", TIMED_OUT).error

    def test_opencode_that_was_not_allowed_to_declines(self) -> None:
        found = outcome("opencode", "denied", ENDED)
        assert (found.ending, found.error_kind) == (Ending.DECLINED, ErrorKind.PERMISSION_DENIED)
        assert "it was not allowed to use write: The user rejected permission" in found.error

    def test_copilot_that_was_not_allowed_to_declines(self) -> None:
        found = outcome("copilot", "denied", ENDED)
        assert (found.ending, found.error_kind) == (Ending.DECLINED, ErrorKind.PERMISSION_DENIED)
        assert found.error.startswith("copilot failed: everything it tried was denied: Permission denied")

    def test_copilot_that_was_told_to_end_has_not_succeeded(self) -> None:
        assert b'"exitCode":0' in capture("copilot", "e429")[0]
        assert outcome("copilot", "e429", ENDED).ending is Ending.BROKEN

    @pytest.mark.parametrize("agent", ["copilot", "opencode"])
    def test_an_argument_that_the_agent_mended_is_no_failure(self, agent: str) -> None:
        assert outcome(agent, "bad_arguments", ENDED).ending is Ending.SUCCEEDED

    @pytest.mark.parametrize(
        ("agent", "run"),
        [
            ("opencode", "killed"),
            ("copilot", "killed"),
            ("mini-swe-agent", "killed"),
            ("aider", "interrupted"),
        ],
    )
    def test_an_end_without_a_last_word_proves_nothing(self, agent: str, run: str) -> None:
        found = outcome(agent, run, ENDED)
        assert (found.ending, found.error_kind) == (Ending.BROKEN, ErrorKind.MALFORMED)
        assert "never said that its work was done" in found.error
        assert outcome(agent, run, KILLED).error_kind is ErrorKind.CRASH

    @pytest.mark.parametrize("agent", AGENTS)
    def test_no_part_of_a_run_is_a_success(self, agent: str) -> None:
        stdout, report = capture(agent, "edit")
        lines = stdout.splitlines(keepends=True)
        begun = {"aider": b'{"event": "message_send_starting"}\n', "mini-swe-agent": (report or b"")[:400]}
        for count in range(len(lines)):
            _, found = read(agent, lines[:count], ENDED, begun.get(agent))
            assert found.ending is Ending.BROKEN

    @pytest.mark.parametrize(
        ("agent", "session"),
        [
            ("opencode", r"ses_"),
            ("copilot", "-"),
        ],
    )
    def test_sessions_and_models_have_names(self, agent: str, session: str) -> None:
        found = outcome(agent, "edit", ENDED)
        assert session in (found.session_id or "")
        assert outcome("copilot", "edit", ENDED).model == "fake-model"
        assert outcome("mini-swe-agent", "edit", ENDED).model == "openai/fake-model"


def told(agent: str, run: str) -> list[AgentEvent]:
    return read(agent, [capture(agent, run)[0]], ENDED)[0]


class TestEvents:
    def test_opencode(self) -> None:
        events = told("opencode", "edit")
        kinds = [event.kind for event in events]
        assert kinds == ["tool_call", "tool_result", "file_edit", "usage", "message", "usage"]
        call, result, edit, usage, message, _ = events
        assert call.text == "write hello.txt"
        arguments = {"content": "hello-from-fake-model", "filePath": "hello.txt"}
        assert call.data == {"id": call.data["id"], "name": "write", "input": arguments}
        assert (result.text, result.data) == (
            "Wrote file successfully.",
            {"id": call.data["id"], "failed": False},
        )
        assert edit.data == {"path": "hello.txt"}
        assert usage.data == {"input_tokens": 1234, "output_tokens": 56, "cost_microusd": 346}
        assert message.text.startswith("FINAL: the tool answered")

    def test_copilot(self) -> None:
        events = told("copilot", "edit")
        assert [event.kind for event in events] == ["tool_call", "tool_result", "file_edit", "message"]
        call, result, edit, _ = events
        assert (call.text, call.data["name"]) == ("create hello.txt", "create")
        assert result.data == {"id": call.data["id"], "failed": False}
        assert edit.data == {"path": "/home/u/w/hello.txt"}

    def test_aider(self) -> None:
        events = told("aider", "edit")
        (edit,) = [event for event in events if event.kind is AgentEventKind.FILE_EDIT]
        (usage,) = [event for event in events if event.kind is AgentEventKind.USAGE]
        assert edit.data == {"path": "hello.txt"}
        assert usage.data == {"input_tokens": 1200, "output_tokens": 56}, "as it rounds them"
        assert "I will add the file." in [event.text for event in events]

    def test_mini_swe_agent(self) -> None:
        events = told("mini-swe-agent", "edit")
        kinds = ["tool_call", "tool_result", "tool_call", "tool_result", "message"]
        assert [event.kind for event in events][:5] == kinds
        assert events[0].data == {
            "id": "1",
            "name": "bash",
            "input": {"command": "echo hello-from-fake-model > hello.txt"},
        }
        assert events[1].data == {"id": "1", "failed": False}
        assert events[4].text == "FINAL: wrote hello.txt"

    def test_errors_that_were_tried_again_are_not_final(self) -> None:
        for agent, run, kind, count in (
            ("copilot", "e500", ErrorKind.OVERLOAD, 6),
            ("aider", "e429", ErrorKind.QUOTA, 9),
        ):
            errors = [event for event in told(agent, run) if event.kind is AgentEventKind.ERROR]
            assert [each.data for each in errors[:count]] == [{"kind": kind, "final": False}] * count
        final = {"kind": ErrorKind.AUTH, "final": True}
        for agent in ("aider", "copilot", "opencode"):
            errors = [event for event in told(agent, "e401") if event.kind is AgentEventKind.ERROR]
            assert errors[-1].data == final


RUNS = [
    (folder.parent.name, folder.name)
    for folder in sorted(CAPTURES.glob("*/*"))
    if folder.parent.name in AGENTS
]


class TestPieces:
    @pytest.mark.parametrize(("agent", "run"), RUNS)
    def test_one_byte_at_a_time(self, agent: str, run: str) -> None:
        stdout, report = capture(agent, run)
        whole = read(agent, [stdout], ENDED, report)
        assert read(agent, (stdout[at : at + 1] for at in range(len(stdout))), ENDED, report) == whole

    @pytest.mark.parametrize("agent", AGENTS)
    @given(cuts=st.lists(st.integers(0, 12_000), max_size=12))
    def test_pieces_of_any_size(self, agent: str, cuts: list[int]) -> None:
        stdout, report = capture(agent, "edit")
        places = sorted({0, len(stdout), *(min(cut, len(stdout)) for cut in cuts)})
        pieces = [stdout[start:end] for start, end in pairwise(places)]
        assert read(agent, pieces, ENDED, report) == read(agent, [stdout], ENDED, report)

    @pytest.mark.parametrize("agent", AGENTS)
    def test_a_last_line_without_its_end_counts(self, agent: str) -> None:
        stdout, report = capture(agent, "edit")
        assert read(agent, [stdout.rstrip()], ENDED, report)[1] == read(agent, [stdout], ENDED, report)[1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class TestHostileOutput:
    @pytest.mark.parametrize("agent", AGENTS)
    @given(data=st.binary(max_size=300), report=st.none() | st.binary(max_size=300))
    @example(data=b'{"type":"step_finish","part":{"tokens":{"input":1e999}}}', report=b'{"info": {"a"')
    @example(data=b"[" * 5000 + b"\n", report=b'{"info": ' + b"[" * 5000)
    @example(data=b"Tokens: 1.2.3k sent, .. received.\n", report=b'{"modelMetrics": {"a": 1}}')
    def test_no_bytes_make_it_raise(self, agent: str, data: bytes, report: bytes | None) -> None:
        events, found = read(agent, [data], ENDED, report)
        assert found.ending is not Ending.SUCCEEDED or agent == "aider"
        for event in events:
            json.dumps(event.data).encode("ascii")
            event.text.encode("utf-8")

    @pytest.mark.parametrize("agent", ["copilot", "mini-swe-agent", "opencode"])
    @given(value=JSON, seed=st.integers(0, 10**6))
    def test_no_value_in_any_place_makes_it_raise(self, agent: str, value: object, seed: int) -> None:
        chance = random.Random(seed)
        stdout, report = capture(agent, "edit")
        lines = [
            replaced(json.loads(line), value, chance) for line in stdout.splitlines() if line[:1] == b"{"
        ]
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        changed = json.dumps(replaced(json.loads(report or b"{}"), value, chance)).encode()
        events, found = read(agent, [data or stdout], ENDED, changed)
        for text in (found.summary, found.error, found.session_id or "", *(event.text for event in events)):
            text.encode("utf-8")
        assert all(
            number is None or 0 <= number < 2**63 for number in (found.input_tokens, found.cost_microusd)
        )

    @pytest.mark.parametrize("agent", AGENTS)
    def test_text_cannot_draw_on_a_terminal(self, agent: str) -> None:
        evil = "\\u001b]0;x\\u0007\\u202eevil\\ud800"
        data = (
            f'{{"type":"text","sessionID":"{evil}","part":{{"text":"{evil}"}}}}\n'
            f'{{"type":"assistant.message","data":{{"model":"{evil}","content":"{evil}"}}}}\n'
            f'{{"type":"tool_use","part":{{"tool":"{evil}","callID":"{evil}","state":{{"input":{{"{evil}":"{evil}"}}}}}}}}\n'
            "mini-swe-agent (step 1, $0.00):\n\x1b]0;x\x07\u202eevil\n"
        )
        events, found = read(agent, [data.encode()], ENDED)
        assert events
        said = f"{events} {found}"
        assert not any(code in said for code in ("\x1b", "\x07", "\u202e", "\ud800"))

    @pytest.mark.parametrize("agent", AGENTS)
    def test_a_line_of_50_mb_is_not_kept(self, agent: str) -> None:
        parser = load(agent).parser()
        piece = b'{"type":"text",' + b"x" * 1024**2
        tracemalloc.start()
        for _ in range(50):
            parser.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * LONGEST_LINE
        assert parser.feed(b"\n") == [] or agent in ("aider", "mini-swe-agent")
        assert parser.finish(ENDED, None).ending is Ending.BROKEN

    def test_a_trajectory_that_was_cut_still_says_how_it_ended(self) -> None:
        stdout, report = capture("mini-swe-agent", "edit")
        assert report is not None
        for length in range(report.index(b'"messages"'), len(report), 97):
            assert read("mini-swe-agent", [stdout], ENDED, report[:length])[1].ending is Ending.SUCCEEDED

    def test_numbers_that_no_ledger_holds_are_cut(self) -> None:
        step = b'{"type":"step_finish","part":{"reason":"stop","tokens":{"input":9223372036854775807}}}\n'
        _, found = read("opencode", [step * 3], ENDED)
        assert found.input_tokens == 2**63 - 1


def replaced(document: object, value: object, chance: random.Random) -> object:
    """The document with another value in one place of it, at any depth."""
    if isinstance(document, dict) and document and chance.random() < 0.9:
        key = chance.choice(list(document))
        return {**document, key: replaced(document[key], value, chance)}
    if isinstance(document, list) and document and chance.random() < 0.9:
        at = chance.randrange(len(document))
        return [*document[:at], replaced(document[at], value, chance), *document[at + 1 :]]
    return value
