"""OpenAI Chat Completions, which most others speak, too: `POST …/chat/completions`."""

import time
from collections.abc import Iterator, Mapping
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
from codencer.testing.model_server.tools import Reply
from codencer.testing.model_server.turn import arguments_of

_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
}
_ROLES = {"assistant": Who.MODEL, "tool": Who.TOOL, "user": Who.USER}


class Chat:
    name = "chat"

    def read(self, body: Mapping[str, Any], *, model: str, stream: bool) -> Conversation:
        functions = (mapping(mapping(each).get("function")) for each in listed(body.get("tools")))
        form = mapping(mapping(body.get("response_format")).get("json_schema"))
        return Conversation(
            entries=tuple(
                Entry(who=_ROLES.get(str(each.get("role")), Who.SYSTEM), text=text_of(each.get("content")))
                for each in map(mapping, listed(body.get("messages")))
            ),
            model=str(body.get("model", model)),
            stream=stream or body.get("stream") is True,
            tools={
                str(each["name"]): Tool(name=str(each["name"]), schema=mapping(each.get("parameters")))
                for each in functions
                if "name" in each
            },
            schema=mapping(form["schema"]) if "schema" in form else None,
        )

    def document(self, reply: Reply, conversation: Conversation, script: Script) -> Mapping[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        if isinstance(reply, Say):
            message["content"] = reply.text
        else:
            message["tool_calls"] = [_call(reply, script)]
        choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
        return _frame(conversation, "chat.completion") | {"choices": [choice], "usage": _USAGE}

    def pieces(self, reply: Reply, conversation: Conversation, script: Script) -> Iterator[Piece]:
        frame = _frame(conversation, "chat.completion.chunk")

        def piece(delta: Mapping[str, Any], finish: str | None = None, *, words: bool = False) -> Piece:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return Piece(data=frame | {"choices": [choice]}, words=words)

        yield piece({"role": "assistant", "content": ""})
        if isinstance(reply, Say):
            for text in halves(reply.text):
                yield piece({"content": text}, words=True)
        else:
            yield piece({"tool_calls": [_call(reply, script) | {"index": 0}]})
        yield piece({}, _finish(reply))
        yield Piece(data=frame | {"choices": [], "usage": _USAGE})
        yield Piece(data="[DONE]")


def _frame(conversation: Conversation, kind: str) -> dict[str, Any]:
    about = {"id": new_id("chatcmpl-"), "object": kind, "created": int(time.time())}
    return about | {"model": conversation.model}


def _call(reply: Reply, script: Script) -> dict[str, Any]:
    if isinstance(reply, Say):
        return {}
    function = {"name": reply.tool.name, "arguments": arguments_of(reply, script)}
    return {"id": new_id("call_"), "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    return "stop" if isinstance(reply, Say) else "tool_calls"
