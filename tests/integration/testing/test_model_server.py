"""The scripted model over real HTTP: every vendor's way to ask, streamed or whole, and every fault."""

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from codencer.testing.model_server import SCENARIOS, ModelServer, Script
from codencer.testing.model_server.dialects.dialect import INPUT_TOKENS

DIALECTS = ("anthropic", "chat", "responses", "gemini")
WRITER = {"type": "object", "properties": {"file_path": {}, "content": {}}, "required": ["file_path"]}
SHELL = {"type": "object", "properties": {"command": {"type": "string"}, "why": {}}, "required": ["why"]}
TOOLS = {"write_file": WRITER, "run_shell_command": SHELL}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as made:
        yield made


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def events(self) -> list[Any]:
        lines = [
            line.removeprefix("data: ") for line in self.raw.decode().split("\n") if line[:6] == "data: "
        ]
        return [json.loads(line) for line in lines if line != "[DONE]"]


def request(server: ModelServer, path: str, body: object = None, method: str = "POST") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        connection.request(method, path, body=data)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


Turn = tuple[str, str]


def ask(
    server: ModelServer,
    dialect: str,
    *turns: Turn,
    stream: bool = False,
    tools: Mapping[str, Any] = TOOLS,
    system: str = "Be good.",
    prefix: str = "",
    schema: Mapping[str, Any] | None = None,
) -> Answer:
    """Send a conversation of (user|model|tool, text) in a vendor's words."""
    build = {"anthropic": _anthropic, "chat": _chat, "responses": _responses, "gemini": _gemini}[dialect]
    path, body = build(turns, tools, system, schema)
    if dialect == "gemini":
        path = path.replace(":generate", ":streamGenerate") if stream else path
    else:
        body["stream"] = stream
    return request(server, prefix + path, body)


def _anthropic(turns: Any, tools: Any, system: str, schema: Any) -> tuple[str, dict[str, Any]]:
    def block(who: str, text: str) -> dict[str, Any]:
        if who == "tool":
            return {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": text}]}
        return {"type": "text", "text": text}

    messages = [
        {"role": "assistant" if who == "model" else "user", "content": [block(who, text)]}
        for who, text in turns
    ]
    offered = [{"name": name, "input_schema": each} for name, each in tools.items()]
    form = {"output_config": {"format": {"schema": schema}}} if schema else {}
    return "/v1/messages?beta=true", {"system": system, "messages": messages, "tools": offered, **form}


def _chat(turns: Any, tools: Any, system: str, schema: Any) -> tuple[str, dict[str, Any]]:
    roles = {"model": "assistant"}
    messages = [{"role": roles.get(who, who), "content": text} for who, text in (("system", system), *turns)]
    offered = [
        {"type": "function", "function": {"name": name, "parameters": each}} for name, each in tools.items()
    ]
    form = {"response_format": {"json_schema": {"schema": schema}}} if schema else {}
    return "/v1/chat/completions", {"model": "m", "messages": messages, "tools": offered, **form}


def _responses(turns: Any, tools: Any, system: str, schema: Any) -> tuple[str, dict[str, Any]]:
    def item(who: str, text: str) -> dict[str, Any]:
        if who == "tool":
            return {"type": "function_call_output", "call_id": "c", "output": text}
        role = "assistant" if who == "model" else "user"
        return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}

    offered = [{"type": "function", "name": name, "parameters": each} for name, each in tools.items()]
    form = {"text": {"format": {"schema": schema}}} if schema else {}
    return "/v1/responses", {
        "instructions": system,
        "input": [item(*each) for each in turns],
        "tools": offered,
        **form,
    }


def _gemini(turns: Any, tools: Any, system: str, schema: Any) -> tuple[str, dict[str, Any]]:
    def content(who: str, text: str) -> dict[str, Any]:
        if who == "tool":
            return {
                "role": "user",
                "parts": [{"functionResponse": {"name": "t", "response": {"output": text}}}],
            }
        return {"role": "model" if who == "model" else "user", "parts": [{"text": text}]}

    offered = [{"name": name, "parametersJsonSchema": each} for name, each in tools.items()]
    form = {"generationConfig": {"responseJsonSchema": schema}} if schema else {}
    body = {
        "systemInstruction": {"parts": [{"text": system}]},
        "contents": [content(*each) for each in turns],
        "tools": [{"functionDeclarations": offered}],
        **form,
    }
    return "/v1beta/models/m:generateContent", body


def read(dialect: str, answer: Answer, *, stream: bool) -> tuple[str, str, dict[str, Any]]:
    """(text, name of the tool called, its arguments) of an answer."""
    assert answer.status == 200, answer.raw
    parts = answer.events if stream else [answer.json]
    found = {
        "anthropic": _read_anthropic,
        "chat": _read_chat,
        "responses": _read_responses,
        "gemini": _read_gemini,
    }
    text, name, arguments = "", "", ""
    for said in found[dialect](parts):
        text, name, arguments = text + said[0], name + said[1], arguments + said[2]
    return text, name, json.loads(arguments) if arguments else {}


def _read_anthropic(parts: Any) -> Iterator[tuple[str, str, str]]:
    for part in parts:
        for block in part.get("content", []):
            arguments = json.dumps(block["input"]) if "input" in block else ""
            yield block.get("text", ""), block.get("name", ""), arguments
        block, delta = part.get("content_block", {}), part.get("delta", {})
        yield delta.get("text", ""), block.get("name", ""), delta.get("partial_json", "")


def _read_chat(parts: Any) -> Iterator[tuple[str, str, str]]:
    for part in parts:
        for choice in part["choices"]:
            message = choice.get("message") or choice.get("delta")
            yield message.get("content") or "", "", ""
            for call in message.get("tool_calls", []):
                yield "", call["function"]["name"], call["function"]["arguments"]


def _read_responses(parts: Any) -> Iterator[tuple[str, str, str]]:
    whole = parts[-1].get("response", parts[-1])
    deltas = "".join(part.get("delta", "") for part in parts)
    for item in whole["output"]:
        text = "".join(each["text"] for each in item.get("content", []))
        assert deltas in ("", text)
        yield text, item.get("name", ""), item.get("arguments", "")


def _read_gemini(parts: Any) -> Iterator[tuple[str, str, str]]:
    for part in parts:
        for each in part["candidates"][0]["content"]["parts"]:
            call = each.get("functionCall", {})
            yield each.get("text", ""), call.get("name", ""), json.dumps(call["args"]) if call else ""


def token(name: str, **parameters: str) -> str:
    return str(Script(name=name, parameters=parameters))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", DIALECTS)
class TestEveryDialect:
    def test_a_script_is_followed_turn_by_turn(self, server: ModelServer, dialect: str, stream: bool) -> None:
        prompt = f"Please do it. {token('tools', id=f'{dialect}-{stream}', file='dä x.txt')} Thank you."
        turns: list[Turn] = [("user", prompt)]
        calls = []
        for _ in range(4):
            system = "Your working directory: /place/of work" if dialect == "chat" else "cwd: /place/work"
            answer = ask(server, dialect, *turns, stream=stream, system=system)
            _, name, arguments = read(dialect, answer, stream=stream)
            calls.append((name, arguments.get("file_path") or arguments["command"].split()[0]))
            turns += [("model", "calls"), ("tool", "done well")]
        folder = "/place/of" if dialect == "chat" else "/place/work"
        assert calls == [
            ("write_file", f"{folder}/dä x.txt"),
            ("run_shell_command", "printf"),
            ("run_shell_command", "ls"),
            ("write_file", f"{folder}/second-dä x.txt"),
        ]
        text, name, _ = read(dialect, ask(server, dialect, *turns, stream=stream), stream=stream)
        assert (name, text.split(".")[0]) == ("", "Done as scripted: tools")
        assert "done well" in text
        seen = server.journal.of(f"{dialect}-{stream}")
        assert [each.results for each in seen] == [0, 1, 2, 3, 4]
        assert {each.prompt_characters for each in seen} == {len(prompt)}

    def test_a_resumed_conversation_begins_its_newest_script(
        self, server: ModelServer, dialect: str, stream: bool
    ) -> None:
        turns = [
            ("user", token("edit", file="one.txt", id="resumed")),
            *(("model", "calls"), ("tool", "done"), ("model", "Done.")),
            ("user", token("edit", file="two.txt", id="resumed")),
        ]
        _, _, arguments = read(dialect, ask(server, dialect, *turns, stream=stream), stream=stream)
        assert arguments["file_path"] == "two.txt"
        assert server.journal.of("resumed")[-1].prompts == 2

    def test_a_demanded_schema_is_satisfied_whatever_the_script(
        self, server: ModelServer, dialect: str, stream: bool
    ) -> None:
        schema = {"type": "object", "properties": {"title": {"type": "string"}, "sure": {"enum": ["no"]}}}
        answer = ask(server, dialect, ("user", token("edit")), schema=schema, stream=stream)
        text, _, _ = read(dialect, answer, stream=stream)
        assert json.loads(text) == {"title": "ok", "sure": "no"}

    def test_a_call_without_tools_gets_words(self, server: ModelServer, dialect: str, stream: bool) -> None:
        answer = ask(server, dialect, ("user", token("edit")), tools={}, stream=stream)
        assert read(dialect, answer, stream=stream)[0] == "Done as scripted: edit."

    def test_a_broken_off_answer_is_broken_off(self, server: ModelServer, dialect: str, stream: bool) -> None:
        if stream:
            answer = ask(server, dialect, ("user", token("cut")), stream=True)
            assert answer.raw
            assert not answer.raw.rstrip().endswith(b"[DONE]")
            assert "completed" not in str(answer.events[-1])
            assert "finishReason" not in str(answer.events[-1])
        else:
            with pytest.raises(http.client.IncompleteRead):
                ask(server, dialect, ("user", token("cut")))

    def test_nonsense_is_no_answer(self, server: ModelServer, dialect: str, stream: bool) -> None:
        answer = ask(server, dialect, ("user", token("malformed")), stream=stream)
        assert answer.status == 200
        assert answer.raw.startswith(b"<html>")

    def test_bad_arguments_are_none_of_the_tools(
        self, server: ModelServer, dialect: str, stream: bool
    ) -> None:
        answer = ask(server, dialect, ("user", token("badargs")), stream=stream)
        if dialect == "gemini" or (dialect == "anthropic" and not stream):
            assert "file_path" not in read(dialect, answer, stream=stream)[2]
        else:
            with pytest.raises(ValueError, match="line 1 column"):
                read(dialect, answer, stream=stream)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["e400", "e401", "e403", "e429", "e500", "e529"])
def test_errors_are_in_the_vendors_words(server: ModelServer, name: str, dialect: str) -> None:
    answer = ask(server, dialect, ("user", token(name, after="7")), stream=True)
    assert answer.status == int(name[1:])
    error = answer.json["error"]
    assert error["message"] == f"scripted failure {name[1:]}"
    assert (error["code"] == answer.status) if dialect == "gemini" else error["type"].endswith("_error")
    assert answer.headers.get("retry-after") == ("7" if name == "e429" else None)


def test_scripts_of_the_address_serve_whoever_has_none_in_the_prompt(server: ModelServer) -> None:
    prefix = f"/{token('edit', file='ä.txt')}"
    _, name, arguments = read("chat", ask(server, "chat", ("user", "Hello"), prefix=prefix), stream=False)
    assert (name, arguments["file_path"]) == ("write_file", "ä.txt")
    answer = ask(server, "chat", ("user", token("text")), prefix=prefix)
    assert read("chat", answer, stream=False)[0] == "Done as scripted: text."


def test_edits_are_written_as_blocks_for_an_agent_without_tools(server: ModelServer) -> None:
    system = "Answer with a *SEARCH/REPLACE* block."
    answer = ask(server, "chat", ("user", token("edit", content="hi")), tools={}, system=system)
    assert (
        "hello.txt\n```text\n<<<<<<< SEARCH\n=======\nhi\n>>>>>>> REPLACE\n"
        in read("chat", answer, stream=False)[0]
    )
    answer = ask(server, "chat", ("user", "Write a commit message. " + token("edit")), tools={})
    assert read("chat", answer, stream=False)[0].startswith("feat: ")


def test_an_agent_that_wants_its_end_printed_gets_that(server: ModelServer) -> None:
    turns = [("user", token("text") + " End with COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT.")]
    _, name, arguments = read("chat", ask(server, "chat", *turns), stream=False)
    assert name == "run_shell_command"
    assert arguments["command"].startswith("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT &&")
    assert arguments["why"] is not None


def test_an_agent_is_where_it_said_last(server: ModelServer) -> None:
    old, new = (f"/state/workspaces/att_{letter * 26}" for letter in "ab")
    turns: list[Turn] = [
        ("user", f"Primary working directory: {old}. {token('edit')}"),
        *(("model", "calls"), ("tool", f"wrote {old}/hello.txt"), ("model", "Done.")),
        ("user", f"You are in a new workspace, {new}, a fresh checkout. {token('edit')}"),
    ]
    _, _, arguments = read("chat", ask(server, "chat", *turns), stream=False)
    assert arguments["file_path"] == f"{new}/hello.txt"


def test_more_rights_are_asked_for_where_a_tool_takes_that(server: ModelServer) -> None:
    properties = {name: {"type": "string"} for name in ("cmd", "sandbox_permissions")}
    shell = {"exec_command": {"type": "object", "properties": properties}}
    _, _, arguments = read(
        "chat", ask(server, "chat", ("user", token("escalate")), tools=shell), stream=False
    )
    assert arguments["cmd"].endswith("> hello.txt")
    assert arguments["sandbox_permissions"] == "require_escalated"
    _, _, arguments = read("chat", ask(server, "chat", ("user", token("escalate"))), stream=False)
    assert "sandbox_permissions" not in arguments


def test_tool_calls_are_found_harmless_for_an_agent_that_has_them_weighed(server: ModelServer) -> None:
    system = "Output <severity>N</severity> where N is an integer."
    answer = ask(server, "chat", ("user", token("edit")), tools={}, system=system)
    assert read("chat", answer, stream=False)[0] == "<severity>0</severity>"


def test_a_patch_is_written_for_an_agent_whose_tool_takes_one(server: ModelServer) -> None:
    body = {
        "input": token("edit", file="a b.txt", content="x"),
        "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom", "name": "apply_patch"}]}],
    }
    [item] = request(server, "/v1/responses", body).json["output"]
    assert (item["type"], item["name"]) == ("custom_tool_call", "apply_patch")
    assert item["input"] == "*** Begin Patch\n*** Add File: a b.txt\n+x\n*** End Patch\n"


def test_a_sleeping_tool_says_that_it_is_at_work(server: ModelServer) -> None:
    turns: list[Turn] = [("user", token("sleep", id="asleep", seconds="0"))]
    _, _, arguments = read("chat", ask(server, "chat", *turns), stream=False)
    subprocess.run(arguments["command"], shell=True, check=True, timeout=30)
    seen = server.journal.wait(lambda each: each.kind == "tool" and each.id == "asleep", 0)
    assert seen is not None
    turns += [("model", "calls"), ("tool", "still at it")]
    assert read("chat", ask(server, "chat", *turns), stream=False)[1] == "run_shell_command"


def test_whoever_waits_is_woken_and_never_waits_longer_than_asked(server: ModelServer) -> None:
    found: list[object] = []
    waiter = threading.Thread(
        target=lambda: found.append(server.journal.wait(lambda each: each.id == "awaited", 30))
    )
    waiter.start()
    ask(server, "chat", ("user", token("text", id="awaited")))
    waiter.join(30)
    assert found[0] is not None
    assert server.journal.wait(lambda each: each.id == "never", 0.01) is None


def test_huge_is_huge_and_slow_is_whole(server: ModelServer) -> None:
    answer = ask(server, "chat", ("user", token("huge", bytes="3000000")), stream=True)
    assert len(read("chat", answer, stream=True)[0]) >= 3_000_000
    answer = ask(server, "anthropic", ("user", token("slow", seconds="0")), stream=True)
    assert answer.events[-1]["type"] == "message_stop"


def test_one_that_hangs_lets_go_when_the_server_ends() -> None:
    with ModelServer() as server:
        gone: list[Exception] = []

        def hang() -> None:
            try:
                ask(server, "chat", ("user", token("hang", id="hung")))
            except (http.client.HTTPException, OSError) as problem:
                gone.append(problem)

        thread = threading.Thread(target=hang)
        thread.start()
        assert server.journal.wait(lambda each: each.id == "hung", 30)
    thread.join(30)
    assert gone


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b"{}", 200),
        (b'{"messages": [1, {"role": {}}]}', 200),
    ],
)
def test_a_request_that_makes_no_sense_harms_nobody(server: ModelServer, body: bytes, status: int) -> None:
    assert request(server, "/v1/chat/completions", body).status == status


def test_the_small_addresses(server: ModelServer) -> None:
    assert request(server, "/v1/models", method="GET").json["data"][0]["id"] == "scripted-model"
    assert request(server, "/v1/messages/count_tokens", {}).json == {"input_tokens": INPUT_TOKENS}
    assert request(server, "/m/x:countTokens", {}).json == {"totalTokens": INPUT_TOKENS}
    assert request(server, "/nowhere", {}).status == 404
    assert request(server, "/", method="HEAD").raw == b""
    ask(server, "chat", ("user", token("text", id="listed")))
    assert [
        each["scenario"] for each in request(server, "/journal/listed", method="GET").json["requests"]
    ] == ["text"]


def test_every_scenario_is_one_that_some_test_here_or_an_agent_can_ask_for(server: ModelServer) -> None:
    for name in SCENARIOS.keys() - {"hang", "cut", "slow", "huge"}:
        assert ask(server, "chat", ("user", token(name))).status in (200, 400, 401, 403, 429, 500, 529), name
    text, _, _ = read("chat", ask(server, "chat", ("user", token("no-such"))), stream=False)
    assert text == "There is no scenario no-such."


def test_as_a_program_it_says_its_port_and_ends_when_asked() -> None:
    words = [sys.executable, "-P", "-m", "codencer.testing.model_server", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
