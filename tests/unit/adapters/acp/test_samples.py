"""What real agents said leads to exactly what they were told then, and to the right outcome.

Every message, of both sides, is one that the protocol's own SDK knows; private ones apart.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from acp import schema
from pydantic import BaseModel

from codencer.adapters import load
from codencer.model.attempt import AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.dialogue import Due, Message, PermissionRequest
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment, TwoWayAdapter
from codencer.model.step import AdapterSettings, Approvals

Sample = Callable[[str], list[tuple[str, Any]]]
AGENTS = ("claude", "codex", "copilot", "gemini", "opencode", "qwen")
ENDED = ExitRecord(reason=ExitReason.EXITED, code=0)

MODELS: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "initialize": (schema.InitializeRequest, schema.InitializeResponse),
    "session/new": (schema.NewSessionRequest, schema.NewSessionResponse),
    "session/set_mode": (schema.SetSessionModeRequest, schema.SetSessionModeResponse),
    "session/prompt": (schema.PromptRequest, schema.PromptResponse),
    "session/request_permission": (schema.RequestPermissionRequest, schema.RequestPermissionResponse),
    "fs/write_text_file": (schema.WriteTextFileRequest, schema.WriteTextFileResponse),
    "session/update": (schema.SessionNotification, schema.SessionNotification),
}
PRIVATE = ("_auth/status_update", "qwen/notify/session/mode-update", "craft/drainMidTurnQueue")


class Replay:
    """A new session that is told what the agent said, and answers its questions as it was done then."""

    def __init__(self, agent: str, scenario: str, sample: list[tuple[str, Any]], given: Assignment) -> None:
        approvals = Approvals.ALLOW if scenario in ("edit", "e401") else Approvals.ASK
        adapter = load(f"acp-{agent}", AdapterSettings(name=f"acp-{agent}", approvals=approvals))
        assert isinstance(adapter, TwoWayAdapter)
        self.session = adapter.session(given)
        self.heard = b"".join(_line(said) for who, said in sample if who == "<")
        self._answers = {who: said for who, said in sample if who.startswith("answer-")}
        self.said: list[tuple[str, Any]] = []
        self.events: list[Any] = []

    def run(self, piece: int) -> AgentOutcome:
        self._do()
        for begin in range(0, len(self.heard), piece):
            self.events += self.session.feed(self.heard[begin : begin + piece])
            self._do()
        return self.session.finish(ENDED, None)

    def _do(self) -> None:
        for due in self.session.due():
            message = self._message(due)
            self.said.append((message.key, json.loads(message.data)))

    def _message(self, due: Due) -> Message:
        if isinstance(due, Message):
            return due
        if isinstance(due, PermissionRequest):
            outcome = self._answers[due.key]["result"]["outcome"]
            return self.session.answer(due, outcome.get("optionId"))
        return self.session.served(due)


def _line(message: object) -> bytes:
    return (message.encode() if isinstance(message, str) else json.dumps(message).encode()) + b"\n"


@pytest.mark.parametrize("piece", [1, 1000, 1 << 20], ids=["bytes", "pieces", "whole"])
@pytest.mark.parametrize("scenario", ["edit", "allow", "deny", "e401"])
@pytest.mark.parametrize("agent", AGENTS)
def test_the_same_is_said_again(
    sample: Sample, assignment: Callable[..., Assignment], agent: str, scenario: str, piece: int
) -> None:
    had = sample(f"{agent}-{scenario}")
    replay = Replay(agent, scenario, had, assignment())
    outcome = replay.run(piece)
    for (key, said), (then, told) in zip(replay.said, [each for each in had if each[0] != "<"], strict=True):
        if key == "initialize":
            said["params"]["clientInfo"] = told["params"]["clientInfo"]
        assert (key, said) == (then, told)
    kinds = [event.kind for event in replay.events]
    if scenario == "e401":
        assert (outcome.ending, outcome.error_kind) == (Ending.BROKEN, ErrorKind.AUTH)
        assert "401" in outcome.error or "uthentication" in outcome.error
    elif (agent, scenario) == ("codex", "deny"):
        assert (outcome.ending, outcome.error_kind) == (Ending.DECLINED, ErrorKind.PERMISSION_DENIED)
    else:
        assert outcome.ending is Ending.SUCCEEDED, outcome
    if scenario != "e401":
        assert outcome.input_tokens in (1234, 2468, 4468)
        assert outcome.output_tokens in (56, 112)
        assert AgentEventKind.TOOL_CALL in kinds or (agent, scenario) == ("gemini", "edit")
        assert (AgentEventKind.PERMISSION in kinds) is (scenario in ("allow", "deny"))
    if scenario in ("edit", "allow"):
        assert outcome.summary.startswith("FINAL: ")
    assert outcome.session_id or scenario == "e401"


@pytest.mark.parametrize("scenario", ["edit", "allow", "deny", "e401"])
@pytest.mark.parametrize("agent", AGENTS)
def test_every_message_is_one_of_the_protocol(sample: Sample, agent: str, scenario: str) -> None:
    asked: dict[tuple[bool, object], str] = {}
    for who, message in sample(f"{agent}-{scenario}"):
        ours = who != "<"
        if "method" not in message:
            method = asked.pop((not ours, message["id"]), "")
            if method in MODELS and "result" in message:
                _check(MODELS[method][1], message["result"] or {}, exact=ours)
        elif message["method"] in PRIVATE:
            assert not ours
            asked[(ours, message.get("id"))] = message["method"]
        else:
            _check(MODELS[message["method"]][0], message["params"], exact=ours)
            asked[(ours, message.get("id"))] = message["method"]


def _check(model: type[BaseModel], value: dict[str, Any], *, exact: bool) -> None:
    """`exact`: every key of ours is one that the SDK knows."""
    understood = model.model_validate(value)
    if exact:
        assert understood.model_dump(mode="json", by_alias=True, exclude_unset=True) == value


def test_what_no_sample_holds_is_of_the_protocol_too(
    talk: Callable[..., Any], assignment: Callable[..., Assignment]
) -> None:
    signing_in = talk("acp-codex", isolated_home=True)
    signing_in.due()
    signing_in.hear({"id": 1, "result": {"protocolVersion": 1}})
    signing_in.due()
    signing_in.hear({"id": 2, "error": {"code": -32000, "message": "Authentication required"}})
    [(key, message)] = signing_in.due()
    assert (key, message["method"]) == ("authenticate", "authenticate")
    _check(schema.AuthenticateRequest, message["params"], exact=True)
    loading = talk("acp-claude", session_id="s0", model="sonnet")
    loading.due()
    loading.hear({"id": 1, "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}})
    [(key, message)] = loading.due()
    assert (key, message["method"]) == ("session", "session/load")
    _check(schema.LoadSessionRequest, message["params"], exact=True)
    model = {"id": "model", "category": "model", "type": "select", "currentValue": "default"}
    loading.hear({"id": 2, "result": {"configOptions": [model]}})
    [(key, message)] = loading.due()
    assert (key, message["method"]) == ("model", "session/set_config_option")
    _check(schema.SetSessionConfigOptionSelectRequest, message["params"], exact=True)
    reading = talk()
    reading.begin()
    reading.hear(
        {"id": 7, "method": "fs/read_text_file", "params": {"sessionId": "s1", "path": "/workspace/a"}}
    )
    [asked] = reading.due()
    _check(
        schema.ReadTextFileResponse, json.loads(reading.session.served(asked, "x").data)["result"], exact=True
    )
