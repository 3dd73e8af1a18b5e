"""The state machine, with the agent played by the test: steps, refusals, odd and hostile agents."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from codencer.adapters.acp import session as session_module
from codencer.adapters.acp.wire import MessageReader, Noise
from codencer.model.attempt import AgentEventKind, Ending, ErrorKind
from codencer.model.dialogue import FileRead, FileWrite, OptionKind
from codencer.model.launch import ExitReason

Talk = Callable[..., Any]


class TestSteps:
    def test_an_agent_of_the_users_own_stays_in_its_mode(self, talk: Talk) -> None:
        mine = talk()
        [(key, prompt)] = mine.begin(modes=("careful", "free"))
        assert (key, prompt["method"]) == ("prompt", "session/prompt")
        assert prompt["params"] == {"sessionId": "s1", "prompt": [{"type": "text", "text": "Add hello.txt"}]}
        assert (mine.session.over, mine.session.stop_reason) == (False, None)
        mine.update("agent_message_chunk", content={"type": "text", "text": "done"})
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        assert (mine.session.over, mine.session.stop_reason) == (True, "end_turn")
        outcome = mine.ended()
        assert (outcome.ending, outcome.summary, outcome.session_id) == (Ending.SUCCEEDED, "done", "s1")

    @pytest.mark.parametrize(
        ("approvals", "offered", "mode"),
        [
            ("allow", ("default", "bypassPermissions"), "bypassPermissions"),
            ("allow", ("default", "auto"), "default"),
            ("ask", ("default", "bypassPermissions"), "default"),
            ("scope", ("auto", "default"), "default"),
        ],
    )
    def test_the_mode_follows_the_approvals(
        self, talk: Talk, approvals: str, offered: tuple[str, ...], mode: str
    ) -> None:
        [(key, message)] = talk("acp-claude", approvals=approvals).begin(modes=offered)
        assert (key, message["params"]["modeId"]) == ("mode", mode)

    def test_without_the_mode_in_which_it_asks_there_is_no_task(self, talk: Talk) -> None:
        codex = talk("acp-codex", approvals="ask")
        assert codex.begin(modes=("agent", "agent-full-access")) == []
        assert codex.session.over
        assert "'read-only', in which it asks" in codex.ended().error

    def test_an_agent_that_refuses_its_mode_gets_no_task(self, talk: Talk) -> None:
        codex = talk("acp-codex", approvals="ask")
        codex.begin(modes=("read-only",))
        codex.hear({"id": 3, "error": {"code": -32602, "message": "no"}})
        assert (codex.session.over, codex.due()) == (True, [])
        assert codex.ended().error == "acp-codex: session/set_mode: no"

    def test_a_model_that_cannot_be_chosen(self, talk: Talk) -> None:
        assert talk("acp-claude", model="sonnet").begin(modes=("default",))
        mine = talk(model="sonnet")
        assert mine.begin() == []
        assert "'sonnet' cannot be used" in mine.ended().error

    @pytest.mark.parametrize("version", [2, None, "1"])
    def test_another_version_of_the_protocol(self, talk: Talk, version: object) -> None:
        mine = talk()
        mine.due()
        mine.hear({"id": 1, "result": {"protocolVersion": version}})
        assert mine.due() == []
        assert (mine.ended().ending, mine.ended().error_kind) == (Ending.BROKEN, ErrorKind.MALFORMED)

    def test_signing_in_needs_a_home_of_its_own(self, talk: Talk) -> None:
        codex = talk("acp-codex")
        codex.due()
        codex.hear({"id": 1, "result": {"protocolVersion": 1}})
        codex.due()
        codex.hear({"id": 2, "error": {"code": -32000, "message": "Authentication required"}})
        assert codex.due() == []
        assert (codex.ended().error_kind, codex.ended().ending) == (ErrorKind.AUTH, Ending.BROKEN)

    def test_after_signing_in_the_conversation_is_opened_again_once(self, talk: Talk) -> None:
        codex = talk("acp-codex", isolated_home=True)
        codex.due()
        codex.hear({"id": 1, "result": {"protocolVersion": 1}})
        codex.due()
        refusal = {"code": -32000, "message": "Authentication required"}
        codex.hear({"id": 2, "error": refusal}, {"id": 3, "result": {}})
        assert [key for key, _ in codex.due()] == ["authenticate", "session-again"]
        codex.hear({"id": 4, "error": refusal})
        assert (codex.due(), codex.ended().error_kind) == ([], ErrorKind.AUTH)

    def test_a_loaded_conversation_is_no_part_of_the_transcript(self, talk: Talk) -> None:
        claude = talk("acp-claude", session_id="s0")
        claude.due()
        claude.hear({"id": 1, "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}})
        claude.due()
        claude.update("agent_message_chunk", content={"type": "text", "text": "of old"})
        claude.hear({"id": 2, "result": {}})
        assert [key for key, _ in claude.due()] == ["prompt"]
        claude.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        assert claude.events == []
        assert claude.ended().session_id == "s0"

    def test_an_agent_that_cannot_load_is_told_nothing(self, talk: Talk) -> None:
        claude = talk("acp-claude", session_id="s0")
        claude.due()
        claude.hear({"id": 1, "result": {"protocolVersion": 1}})
        assert claude.due() == []
        assert "cannot take up" in claude.ended().error


class TestRequests:
    @pytest.mark.parametrize(
        ("call", "text", "paths"),
        [
            ({"title": "Write a.txt", "locations": [{"path": "a.txt"}]}, "Write a.txt", ("a.txt",)),
            (
                {"title": "/workspace/a.txt", "kind": "edit", "locations": [{"path": "/workspace/a.txt"}]},
                "edit a.txt",
                ("/workspace/a.txt",),
            ),
            (
                {"title": "Create file", "locations": [{"path": "/workspace/a"}, {"path": "/workspace/b"}]},
                "Create file: a and 1 more",
                ("/workspace/a", "/workspace/b"),
            ),
            ({"title": "Shell", "rawInput": {"command": "rm -rf x"}}, "Shell: rm -rf x", ()),
            ({"content": [{"type": "diff", "path": "x", "newText": ""}]}, "a tool: x", ("x",)),
            ({"title": "many", "locations": [{"path": str(n)} for n in range(101)]}, "many", ()),
            ({"title": "odd", "locations": [{"path": "a\nb"}, {"path": 3}]}, "odd", ()),
            ({"title": "\x1b[31mred\u202e\ud800"}, "red?", ()),
        ],
    )
    def test_a_question_says_what_it_is_about(
        self, talk: Talk, call: dict[str, Any], text: str, paths: tuple[str, ...]
    ) -> None:
        mine = talk()
        mine.begin()
        mine.hear({"id": "x", "method": "session/request_permission", "params": {"toolCall": call}})
        [asked] = mine.due()
        assert (asked.key, asked.text, asked.paths, asked.options) == ("answer-1", text, paths, ())
        refused = json.loads(mine.session.answer(asked, None).data)
        assert refused == {"jsonrpc": "2.0", "id": "x", "result": {"outcome": {"outcome": "cancelled"}}}

    def test_a_question_knows_what_was_told_of_its_call(self, talk: Talk) -> None:
        mine = talk()
        mine.begin()
        mine.update("tool_call", toolCallId="c", title="Run", kind="execute", rawInput={"command": "make"})
        options = [
            {"optionId": "y", "name": "Yes", "kind": "allow_once"},
            {"optionId": "y", "name": "twice", "kind": "allow_once"},
            {"optionId": "\n", "name": "unprintable", "kind": "allow_once"},
            {"optionId": "z", "name": "unknown", "kind": "allow_sometimes"},
            "nothing",
        ]
        params = {"toolCall": {"toolCallId": "c"}, "options": options}
        mine.hear({"id": 0, "method": "session/request_permission", "params": params})
        [asked] = mine.due()
        assert (asked.text, asked.tool) == ("Run: make", "execute")
        assert [(each.id, each.name, each.kind) for each in asked.options] == [
            ("y", "Yes", OptionKind.ALLOW_ONCE)
        ]
        assert [each.kind for each in mine.events] == [AgentEventKind.TOOL_CALL, AgentEventKind.PERMISSION]

    def test_files_become_due_and_nonsense_is_answered(self, talk: Talk) -> None:
        mine = talk()
        mine.begin()
        write = {"path": "/workspace/a", "content": "x"}
        mine.hear(
            {"id": 0, "method": "fs/write_text_file", "params": write},
            {"id": 1, "method": "fs/read_text_file", "params": {"path": "b", "line": 3, "limit": 4}},
            {"id": 2, "method": "fs/write_text_file", "params": {"path": "c\0", "content": ""}},
            {"id": 3, "method": "fs/read_text_file"},
            {"id": 4, "method": "terminal/create", "params": []},
            {"method": "private/news", "params": {}},
        )
        due = mine.due()
        assert due[0] == FileWrite(key="answer-1", path="/workspace/a", text="x")
        assert due[1] == FileRead(key="answer-2", path="b", first=3, lines=4)
        assert [message["error"]["code"] for _, message in due[2:]] == [-32602, -32602, -32601]
        assert json.loads(mine.session.refused(due[0], "no").data)["error"]["message"] == "no"

    def test_a_flood_of_requests_ends_it(self, talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_module, "MOST_REQUESTS", 3)
        mine = talk()
        mine.begin()
        mine.hear(*({"id": number, "method": "x"} for number in range(9)))
        assert (len(mine.due()), mine.session.over) == (3, True)
        assert mine.ended().error_kind is ErrorKind.MALFORMED

    def test_nothing_is_answered_once_the_turn_is_over(self, talk: Talk) -> None:
        mine = talk()
        mine.begin()
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}}, {"id": 9, "method": "x"})
        mine.update("agent_message_chunk", content={"type": "text", "text": "late"})
        assert (mine.due(), mine.events) == ([], [])


class TestEnds:
    def begun(self, talk: Talk, name: str = "mine") -> Any:
        started = talk(name)
        started.begin()
        return started

    def test_an_answer_to_something_else_is_none(self, talk: Talk) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 99, "result": {}}, {"id": None, "error": {}}, {"result": {}}, {"id": 2, "error": {}})
        assert not mine.session.over

    @pytest.mark.parametrize("line", [b"", b"npm WARN", b"[1, 2]", b"{", b"\xff\xfe", b"[" * 100_000, b'"x"'])
    def test_noise_is_no_harm(self, talk: Talk, line: bytes) -> None:
        mine = self.begun(talk)
        mine.hear(line)
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        assert mine.ended().ending is Ending.SUCCEEDED

    def test_a_line_that_is_too_long_is_noise(self) -> None:
        reader = MessageReader(longest_line=20)
        found = [*reader.feed(b'{"x": "' + b"y" * 30), *reader.feed(b'"}\n{"a": 1}\n')]
        assert found == [Noise('{"x": "yyyyyyyyyyyyy'), {"a": 1}]

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            ({"code": -32000, "message": "x"}, ErrorKind.AUTH),
            ({"code": -32603, "data": {"errorKind": "authentication_failed"}}, ErrorKind.AUTH),
            ({"code": -32603, "message": "Internal error", "data": {"details": "401 no"}}, ErrorKind.AUTH),
            ({"code": 401, "message": "{}"}, ErrorKind.AUTH),
            ({"code": -32603, "message": "You have hit your usage limit"}, ErrorKind.QUOTA),
            ({"code": 529, "message": "x"}, ErrorKind.OVERLOAD),
            ({"code": -32603, "message": "model is overloaded"}, ErrorKind.OVERLOAD),
            ({"code": -32603, "message": "API Error: JSON Parse error: Unrecognized"}, ErrorKind.MALFORMED),
            ({"code": 500, "message": "Incomplete JSON segment at the end"}, ErrorKind.MALFORMED),
            ({"code": -32603, "message": "of 500 tokens"}, ErrorKind.CRASH),
            ({"code": True, "message": ["x"], "data": "y"}, ErrorKind.CRASH),
            ("nothing", ErrorKind.CRASH),
        ],
    )
    def test_errors_have_kinds(self, talk: Talk, error: object, kind: ErrorKind) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 3, "error": error})
        outcome = mine.ended()
        assert (outcome.ending, outcome.error_kind) == (Ending.BROKEN, kind)
        assert mine.events[-1].data == {"kind": kind, "final": True}

    def test_copilot_reports_an_error_in_words(self, talk: Talk) -> None:
        for name, ending in (("acp-copilot", Ending.BROKEN), ("mine", Ending.SUCCEEDED)):
            agent = self.begun(talk, name)
            agent.update("agent_message_chunk", content={"type": "text", "text": "Info: again."})
            agent.update(
                "agent_message_chunk", content={"type": "text", "text": "Error: refused (HTTP 401)."}
            )
            agent.hear({"id": 3, "result": {"stopReason": "end_turn"}})
            assert agent.ended().ending is ending

    @pytest.mark.parametrize(
        ("status", "ending"), [("systemError", Ending.BROKEN), ("idle", Ending.SUCCEEDED)]
    )
    def test_codex_tells_by_its_status_that_its_turn_failed(
        self, talk: Talk, status: str, ending: Ending
    ) -> None:
        codex = self.begun(talk, "acp-codex")
        codex.update("session_info_update", _meta={"codex": {"threadStatus": {"type": status}}})
        said = {"type": "text", "text": "We're currently experiencing high demand.\n\n"}
        codex.update("agent_message_chunk", content=said)
        codex.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        outcome = codex.ended()
        assert outcome.ending is ending
        if ending is Ending.BROKEN:
            assert outcome.error_kind is ErrorKind.OVERLOAD
            assert outcome.error == "acp-codex: We're currently experiencing high demand."
            assert codex.events[-1].kind is AgentEventKind.ERROR

    @pytest.mark.parametrize(("used", "ending"), [([], Ending.BROKEN), ([{"model": "m"}], Ending.SUCCEEDED)])
    def test_a_turn_without_a_whole_answer_of_a_model_is_no_success(
        self, talk: Talk, used: list[object], ending: Ending
    ) -> None:
        gemini = self.begun(talk)
        gemini.update("agent_message_chunk", content={"type": "text", "text": "I begin and"})
        gemini.hear(
            {"id": 3, "result": {"stopReason": "end_turn", "_meta": {"quota": {"model_usage": used}}}}
        )
        assert gemini.ended().ending is ending

    @pytest.mark.parametrize(
        "answer",
        [{"result": {"stopReason": "cancelled"}}, {"error": {"code": -32603, "message": "Query closed"}}],
    )
    def test_what_it_answers_when_a_limit_stops_it_does_not_hide_the_limit(
        self, talk: Talk, answer: dict[str, Any]
    ) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 3, **answer})
        outcome = mine.ended(reason=ExitReason.TIMEOUT)
        assert (outcome.ending, outcome.error_kind) == (Ending.TIMED_OUT, ErrorKind.LIMIT)

    @pytest.mark.parametrize(
        ("record", "ending"),
        [
            ({"code": 3}, Ending.SUCCEEDED),
            ({"reason": ExitReason.TIMEOUT}, Ending.SUCCEEDED),
            ({"code": None, "signal": 15, "reason": ExitReason.STOPPED}, Ending.SUCCEEDED),
            ({"reason": ExitReason.NOT_STARTED, "code": None}, Ending.BROKEN),
        ],
    )
    def test_after_its_turn_the_exit_says_nothing(
        self, talk: Talk, record: dict[str, Any], ending: Ending
    ) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        assert mine.ended(**record).ending is ending

    @pytest.mark.parametrize(
        ("record", "ending"),
        [
            ({}, Ending.BROKEN),
            ({"reason": ExitReason.TIMEOUT, "code": None}, Ending.TIMED_OUT),
            ({"reason": ExitReason.STOPPED, "code": None}, Ending.INTERRUPTED),
        ],
    )
    def test_before_its_end_the_exit_decides(
        self, talk: Talk, record: dict[str, Any], ending: Ending
    ) -> None:
        assert self.begun(talk).ended(**record).ending is ending

    def test_without_an_exit_record_nobody_knows(self, talk: Talk) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        assert mine.session.finish(None, None).ending is Ending.INTERRUPTED

    def test_a_person_is_asked_to_decide(self, talk: Talk) -> None:
        mine = self.begun(talk)
        mine.hear({"id": 3, "result": {"stopReason": "end_turn"}})
        fragment = b'{"needs_human_decision": true, "questions": ["which?"], "summary": "stuck"}'
        outcome = mine.session.finish(mine_exit(), fragment)
        assert (outcome.ending, outcome.summary, outcome.questions) == (Ending.DECLINED, "stuck", ("which?",))


def mine_exit() -> Any:
    from codencer.model.launch import ExitRecord

    return ExitRecord(reason=ExitReason.EXITED, code=0)


def test_hostile_updates_are_bounded_and_harmless(talk: Talk) -> None:
    mine = talk()
    mine.begin()
    for number in range(1200):
        mine.update(
            "tool_call", toolCallId=f"c{number}", title="x" * 10_000, status="completed", rawOutput="y" * 9999
        )
    odd: list[Any] = [
        None,
        3,
        [],
        {"sessionUpdate": 3},
        {"sessionUpdate": "plan", "entries": [1, {"content": {}}]},
    ]
    for each in odd:
        mine.hear({"method": "session/update", "params": {"update": each}})
    mine.hear({"method": "session/update", "params": 7}, {"method": ["x"], "id": {}})
    for _ in range(40):
        mine.update("agent_message_chunk", content={"type": "text", "text": "z" * 20_000})
    usage = {"inputTokens": 1e400, "outputTokens": -3, "totalTokens": True}
    cost = {"amount": float("nan"), "currency": "USD"}
    mine.update("usage_update", cost=cost)
    mine.hear({"id": 3, "result": {"stopReason": "end_turn", "usage": usage, "_meta": {"quota": [1]}}})
    outcome = mine.ended()
    assert (outcome.input_tokens, outcome.output_tokens, outcome.cost_microusd) == (None, None, None)
    assert len(outcome.summary) <= 2000
    assert max(len(each.text) for each in mine.events) <= 32 * 1024
    assert len(json.dumps([each.text for each in mine.events])) < 1200 * 5000 + 900_000
