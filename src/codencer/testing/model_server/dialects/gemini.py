"""Gemini: `POST …/models/MODEL:generateContent` and `:streamGenerateContent`."""

import json
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
from codencer.testing.model_server.turn import arguments_object

_USAGE = {
    "promptTokenCount": INPUT_TOKENS,
    "candidatesTokenCount": OUTPUT_TOKENS,
    "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
    "cachedContentTokenCount": CACHED_TOKENS,
}


class Gemini:
    name = "gemini"

    def read(self, body: Mapping[str, Any], *, model: str, stream: bool) -> Conversation:
        settings = mapping(body.get("generationConfig"))
        schema = settings.get("responseJsonSchema") or settings.get("responseSchema")
        return Conversation(
            entries=tuple(_entries(body)),
            model=model,
            stream=stream,
            tools={each.name: each for each in _tools(body)},
            schema=mapping(schema) if schema is not None else None,
        )

    def document(self, reply: Reply, conversation: Conversation, script: Script) -> Mapping[str, Any]:
        if isinstance(reply, Say):
            return _chunk(conversation, {"text": reply.text}, last=True)
        return _chunk(conversation, _called(reply, script), last=True)

    def pieces(self, reply: Reply, conversation: Conversation, script: Script) -> Iterator[Piece]:
        if isinstance(reply, Say):
            for text in halves(reply.text):
                yield Piece(data=_chunk(conversation, {"text": text}), words=True)
            yield Piece(data=_chunk(conversation, {"text": ""}, last=True))
        else:
            yield Piece(data=_chunk(conversation, _called(reply, script), last=True))


def _tools(body: Mapping[str, Any]) -> Iterator[Tool]:
    for group in map(mapping, listed(body.get("tools"))):
        for each in map(mapping, listed(group.get("functionDeclarations"))):
            schema = each.get("parametersJsonSchema") or each.get("parameters")
            yield Tool(name=str(each.get("name")), schema=mapping(schema))


def _entries(body: Mapping[str, Any]) -> Iterator[Entry]:
    yield Entry(who=Who.SYSTEM, text=text_of(mapping(body.get("systemInstruction")).get("parts")))
    for content in map(mapping, listed(body.get("contents"))):
        parts = [mapping(each) for each in listed(content.get("parts"))]
        if content.get("role") == "model":
            yield Entry(who=Who.MODEL, text=text_of(parts))
            continue
        for part in parts:
            if "functionResponse" in part:
                answer = mapping(part["functionResponse"]).get("response")
                yield Entry(who=Who.TOOL, text=json.dumps(answer, ensure_ascii=False))
            elif "text" in part:
                yield Entry(who=Who.USER, text=text_of(part["text"]))


def _called(reply: Reply, script: Script) -> dict[str, Any]:
    if isinstance(reply, Say):
        return {"text": reply.text}
    return {"functionCall": {"name": reply.tool.name, "args": arguments_object(reply, script)}}


def _chunk(conversation: Conversation, part: Mapping[str, Any], *, last: bool = False) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [part]}}
    chunk: dict[str, Any] = {
        "candidates": [candidate],
        "modelVersion": conversation.model,
        "responseId": new_id(""),
    }
    if last:
        candidate["finishReason"] = "STOP"
        chunk["usageMetadata"] = _USAGE
    return chunk
