"""What an agent asks of its client: to be allowed something, to read or write a file, or what it may not.

A request becomes something for the engine to do, with the key of its answer; one that cannot be
understood, or that this client does not offer, is answered here.
"""

from codencer.adapters import telling
from codencer.adapters.acp import wire
from codencer.adapters.acp.tools import Tools
from codencer.adapters.acp.wire import Json, mapping, sequence
from codencer.adapters.objects import count_at, text_at
from codencer.model.dialogue import Due, FileRead, FileWrite, Message, Option, OptionKind, PermissionRequest

MOST_OPTIONS = 20
LONGEST_OPTION = 200
LONGEST_PATH = 4096


def understood(message: Json, key: str, tools: Tools) -> Due:
    """What is to be done about a request of the agent's."""
    params = mapping(message.get("params"))
    match message.get("method"):
        case "session/request_permission":
            return permission(params, key, tools)
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


def permission(params: Json, key: str, tools: Tools) -> PermissionRequest:
    """The question in a `session/request_permission`, about the call as far as it is known."""
    call = tools.call(mapping(params.get("toolCall")))
    return PermissionRequest(
        key=key, text=call.line(), tool=call.tool, paths=call.paths, options=_options(params)
    )


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
