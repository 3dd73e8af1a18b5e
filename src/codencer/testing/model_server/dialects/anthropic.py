"""Anthropic Messages: `POST /v1/messages`."""

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
from codencer.testing.model_server.turn import arguments_object, arguments_of

_USAGE = {
    "input_tokens": INPUT_TOKENS,
    "output_tokens": OUTPUT_TOKENS,
    "cache_read_input_tokens": CACHED_TOKENS,
    "cache_creation_input_tokens": 0,
}


class Anthropic:
    name = "anthropic"

    def read(self, body: Mapping[str, Any], *, model: str, stream: bool) -> Conversation:
        tools = (mapping(each) for each in listed(body.get("tools")))
        form = mapping(mapping(body.get("output_config")).get("format")) or mapping(body.get("output_format"))
        return Conversation(
            entries=tuple(_entries(body)),
            model=str(body.get("model", model)),
            stream=stream or body.get("stream") is True,
            tools={
                str(each["name"]): Tool(name=str(each["name"]), schema=mapping(each["input_schema"]))
                for each in tools
                if "name" in each and "input_schema" in each
            },
            schema=mapping(form["schema"]) if "schema" in form else None,
        )

    def document(self, reply: Reply, conversation: Conversation, script: Script) -> Mapping[str, Any]:
        block = _block(reply) | ({} if isinstance(reply, Say) else {"input": arguments_object(reply, script)})
        return _message(conversation) | {"content": [block], "stop_reason": _stop(reply), "usage": _USAGE}

    def pieces(self, reply: Reply, conversation: Conversation, script: Script) -> Iterator[Piece]:
        begun = _message(conversation) | {"content": [], "stop_reason": None}
        yield _piece("message_start", message=begun | {"usage": _USAGE | {"output_tokens": 1}})
        yield _piece("content_block_start", index=0, content_block=_block(reply))
        if isinstance(reply, Say):
            for text in halves(reply.text):
                delta = {"type": "text_delta", "text": text}
                yield _piece("content_block_delta", words=True, index=0, delta=delta)
        else:
            delta = {"type": "input_json_delta", "partial_json": arguments_of(reply, script)}
            yield _piece("content_block_delta", index=0, delta=delta)
        yield _piece("content_block_stop", index=0)
        stop = {"stop_reason": _stop(reply), "stop_sequence": None}
        yield _piece("message_delta", delta=stop, usage=_USAGE)
        yield _piece("message_stop")


def _entries(body: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(who=Who.SYSTEM, text=text_of(body.get("system")))
    for message in map(mapping, listed(body.get("messages"))):
        content = message.get("content")
        blocks = listed(content) or [{"type": "text", "text": content}]
        if message.get("role") == "assistant":
            yield Entry(who=Who.MODEL, text=text_of(content))
            continue
        for block in map(mapping, blocks):
            who = Who.TOOL if block.get("type") == "tool_result" else Who.USER
            yield Entry(who=who, text=text_of(block.get("content") if who is Who.TOOL else block.get("text")))


def _message(conversation: Conversation) -> dict[str, Any]:
    about = {"id": new_id("msg_"), "type": "message", "role": "assistant"}
    return about | {"model": conversation.model, "stop_sequence": None}


def _block(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Say):
        return {"type": "text", "text": reply.text}
    return {"type": "tool_use", "id": new_id("toolu_"), "name": reply.tool.name, "input": {}}


def _stop(reply: Reply) -> str:
    return "end_turn" if isinstance(reply, Say) else "tool_use"


def _piece(event: str, *, words: bool = False, **data: Any) -> Piece:
    return Piece(data={"type": event, **data}, event=event, words=words)
