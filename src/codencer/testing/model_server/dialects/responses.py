"""OpenAI Responses: `POST …/responses`."""

import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from codencer.testing.model_server.conversation import (
    Conversation,
    Entry,
    Tool,
    Who,
    listed,
    mapping,
    text_of,
)
from codencer.testing.model_server.dialects.dialect import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Piece,
    halves,
    new_id,
)
from codencer.testing.model_server.scenarios import Say
from codencer.testing.model_server.script import Script
from codencer.testing.model_server.tools import Call, Reply
from codencer.testing.model_server.turn import arguments_of

_USAGE = {
    "input_tokens": INPUT_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}
_LOCAL_SHELL = "local_shell"


class Responses:
    name = "responses"

    def read(self, body: Mapping[str, Any], *, model: str, stream: bool) -> Conversation:
        form = mapping(mapping(body.get("text")).get("format"))
        return Conversation(
            entries=tuple(_entries(body)),
            model=str(body.get("model", model)),
            stream=stream or body.get("stream") is True,
            tools={each.name: each for each in _tools(listed(body.get("tools")), "")},
            schema=mapping(form["schema"]) if "schema" in form else None,
        )

    def document(self, reply: Reply, conversation: Conversation, script: Script) -> Mapping[str, Any]:
        return _completed(_frame(conversation), _item(reply, script))

    def pieces(self, reply: Reply, conversation: Conversation, script: Script) -> Iterator[Piece]:
        frame, item, numbers = _frame(conversation), _item(reply, script), count()

        def piece(kind: str, *, words: bool = False, **data: Any) -> Piece:
            whole = {"type": kind, "sequence_number": next(numbers), **data}
            return Piece(data=whole, event=kind, words=words)

        yield piece("response.created", response=frame)
        begun = item | {"status": "in_progress"} | ({"content": []} if "content" in item else {})
        yield piece("response.output_item.added", output_index=0, item=begun)
        if isinstance(reply, Say):
            place = {"output_index": 0, "content_index": 0, "item_id": item["id"]}
            for text in halves(reply.text):
                yield piece("response.output_text.delta", words=True, delta=text, **place)
        yield piece("response.output_item.done", output_index=0, item=item)
        yield piece("response.completed", response=_completed(frame, item))


def _tools(offered: list[Any], namespace: str) -> Iterator[Tool]:
    for each in map(mapping, offered):
        name = str(each.get("name", ""))
        match each.get("type"):
            case "function" if name:
                yield Tool(name=name, schema=mapping(each.get("parameters")), namespace=namespace)
            case "custom" if name:
                yield Tool(name=name, free_form=True)
            case "local_shell":
                yield Tool(name=_LOCAL_SHELL)
            case "namespace":
                yield from _tools(listed(each.get("tools")), name)


def _entries(body: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(who=Who.SYSTEM, text=text_of(body.get("instructions")))
    given = body.get("input")
    if isinstance(given, str):
        yield Entry(who=Who.USER, text=given)
    for item in map(mapping, listed(given)):
        kind = str(item.get("type", "message"))
        if kind.endswith("_call_output"):
            yield Entry(who=Who.TOOL, text=text_of(item.get("output")))
        elif kind == "message":
            roles = {"assistant": Who.MODEL, "user": Who.USER}
            who = roles.get(str(item.get("role")), Who.SYSTEM)
            yield Entry(who=who, text=text_of(item.get("content")))


def _frame(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "model": conversation.model,
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
    }


def _completed(frame: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    return {**frame, "status": "completed", "output": [item], "usage": _USAGE}


def _item(reply: Reply, script: Script) -> dict[str, Any]:
    if isinstance(reply, Say):
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        about = {"type": "message", "id": new_id("msg_"), "role": "assistant"}
        return about | {"status": "completed", "content": content}
    return {"call_id": new_id("call_"), "status": "completed"} | _call(reply, script)


def _call(call: Call, script: Script) -> dict[str, Any]:
    name = call.tool.name
    if call.tool.free_form:
        text = arguments_of(call, script)
        return {"type": "custom_tool_call", "id": new_id("ctc_"), "name": name, "input": text}
    if name == _LOCAL_SHELL and not isinstance(call.arguments, str):
        action: dict[str, Any] = {"type": "exec", "command": call.arguments.get("command"), "env": {}}
        return {"type": "local_shell_call", "id": new_id("lsh_"), "action": action}
    item = {"type": "function_call", "id": new_id("fc_"), "name": name}
    item |= {"arguments": arguments_of(call, script)}
    return item | ({"namespace": call.tool.namespace} if call.tool.namespace else {})
