"""What an agent asks of its client: to be allowed something, to read or write a file, or what it may not.

A request becomes something for the engine to do, with the key of its answer; one that cannot be
understood, or that this client does not offer, is answered here.
"""

import re

from codencer.adapters import telling
from codencer.adapters.acp import wire
from codencer.adapters.acp.tools import Call, Tools
from codencer.adapters.acp.wire import Json, mapping, sequence
from codencer.adapters.objects import count_at, text_at
from codencer.model.dialogue import Due, FileRead, FileWrite, Message, Option, OptionKind, PermissionRequest

MOST_OPTIONS = 20
LONGEST_OPTION = 200
LONGEST_PATH = 4096
_BETWEEN = re.compile(r"[\s'\"`:,()]+")


def understood(message: Json, key: str, tools: Tools, workspace: str) -> Due:
    """What is to be done about a request of the agent's."""
    params = mapping(message.get("params"))
    match message.get("method"):
        case "session/request_permission":
            return permission(params, key, tools, workspace)
        case "fs/read_text_file" if _is_path(params.get("path")):
            first, lines = count_at(params, "line"), count_at(params, "limit")
            return FileRead(key=key, path=text_at(params, "path"), first=first, lines=lines)
        case "fs/write_text_file" if _is_path(params.get("path")) and isinstance(params.get("content"), str):
            return FileWrite(key=key, path=text_at(params, "path"), text=text_at(params, "content"))
        case "fs/read_text_file" | "fs/write_text_file":
            refusal = wire.error(message["id"], wire.INVALID_PARAMS, "Invalid params")
        case _:
            refusal = wire.error(message["id"], wire.METHOD_NOT_FOUND, "Method not found")
    return Message(key=key, data=refusal)


def permission(params: Json, key: str, tools: Tools, workspace: str) -> PermissionRequest:
    """The question in a `session/request_permission`, about the call as far as it is known."""
    call = tools.call(mapping(params.get("toolCall")))
    return PermissionRequest(
        key=key, text=_question(call, workspace), tool=call.tool, paths=call.paths, options=_options(params)
    )


def _question(call: Call, workspace: str) -> str:
    """What a person is asked: the title, and what it leaves out of kind and file."""
    text = call.line(workspace)
    files = [path.removeprefix(f"{workspace}/") for path in call.paths]
    if text in files:
        return telling.shown(f"{call.tool} {text}")
    words = {word.rpartition("/")[2] for word in _BETWEEN.split(text)}
    if not files or any(file.rpartition("/")[2] in words for file in files):
        return text
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return telling.shown(f"{text}: {files[0]}{more}")


def _options(params: Json) -> tuple[Option, ...]:
    """The options that can be recorded and chosen; a strange one is left out."""
    found: dict[str, Option] = {}
    for each in sequence(params.get("options"))[:MOST_OPTIONS]:
        identifier, kind = text_at(each, "optionId"), text_at(each, "kind")
        usable = 0 < len(identifier) <= LONGEST_OPTION and identifier.isprintable()
        if usable and kind in tuple(OptionKind):
            name = telling.shown(text_at(each, "name")) or identifier
            found.setdefault(identifier, Option(id=identifier, name=name, kind=OptionKind(kind)))
    return tuple(found.values())


def _is_path(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_PATH and "\0" not in value
