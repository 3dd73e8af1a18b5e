"""A move fitted to the tools that an agent offers: their names and the shape of their arguments.

The names are those of the agents that were tried; another agent's are found by what they are
called in most of them. Where no tool fits, the model says so in words, which a test then sees.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codencer.testing.model_server.conversation import Conversation, Tool, listed, mapping
from codencer.testing.model_server.scenarios import Move, Nonsense, Run, Say, Write

_SHELLS = (
    *("Bash", "bash", "exec_command", "shell_command", "shell", "run_shell_command", "local_shell"),
    *("container.exec", "execute_bash", "run_terminal_cmd", "terminal", "execute_command", "run_command"),
)
_WRITERS = ("Write", "write", "write_file", "create", "create_file", "write_to_file", "apply_patch")
_PATCH = "apply_patch"
_PATHS = ("file_path", "filePath", "path", "absolute_path", "filename")
_CONTENTS = ("content", "file_text", "contents", "text")
_COMMANDS = ("command", "cmd")
_PATIENCE = {"yield_time_ms": 600_000, "timeout": 600_000, "timeout_ms": 600_000}
"""What some shell tools take as the time after which they answer before the command has ended."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A tool call: arguments by name, or the text of a free-form tool."""

    tool: Tool
    arguments: dict[str, Any] | str


Reply = Say | Call


def fitted(move: Move, conversation: Conversation) -> Reply:
    """The move as a reply to this agent."""
    match move:
        case Say():
            return move
        case Nonsense():
            return Call(tool=Tool(name="no_such_tool"), arguments={"x": 1})
        case Write():
            if (tool := _first(conversation.tools, _WRITERS)) is not None:
                return Call(tool=tool, arguments=_writing(tool, move, conversation.folder))
            return _shell(_as_command(move), conversation)
        case Run():
            return _shell(move, conversation)


def smallest(schema: Mapping[str, Any]) -> object:
    """The smallest value that fits a JSON schema, roughly: agents ask for little objects only."""
    if values := listed(schema.get("enum")):
        return values[0]
    for key in ("anyOf", "oneOf"):
        if choices := listed(schema.get(key)):
            return smallest(mapping(choices[0]))
    kind = schema.get("type", "object")
    kind = str(kind[0] if isinstance(kind, list) and kind else kind).lower()
    if kind == "object":
        return {key: smallest(mapping(each)) for key, each in mapping(schema.get("properties")).items()}
    return {"array": [], "string": "ok", "integer": 1, "number": 1, "boolean": True}.get(kind)


def _first(tools: Mapping[str, Tool], names: Iterable[str]) -> Tool | None:
    return next((tools[name] for name in names if name in tools), None)


def _as_command(move: Write) -> Run:
    from shlex import quote

    command = f"printf %s {quote(move.content)} > {quote(move.file)}"
    return Run(command=command, escalated=move.escalated)


def _writing(tool: Tool, move: Write, folder: str) -> dict[str, Any] | str:
    if tool.name == _PATCH:
        lines = "".join(f"+{line}\n" for line in move.content.splitlines())
        patch = f"*** Begin Patch\n*** Add File: {move.file}\n{lines}*** End Patch\n"
        return patch if tool.free_form else {next(iter(tool.properties), "input"): patch}
    path = f"{folder}/{move.file}" if folder else move.file
    given: dict[str, Any] = {key: path for key in tool.properties if key in _PATHS}
    given |= {key: move.content for key in tool.properties if key in _CONTENTS}
    return _completed(given, tool)


def _shell(move: Run, conversation: Conversation) -> Reply:
    tool = _first(conversation.tools, _SHELLS)
    if tool is None:
        offered = ", ".join(conversation.tools) or "none"
        return Say(text=f"No tool fits the script; offered: {offered}.")
    key = next((each for each in _COMMANDS if each in tool.properties), _COMMANDS[0])
    a_list = mapping(tool.properties.get(key)).get("type") == "array"
    given: dict[str, Any] = {key: ["bash", "-lc", move.command] if a_list else move.command}
    given |= {name: value for name, value in _PATIENCE.items() if name in tool.properties}
    if move.escalated and "sandbox_permissions" in tool.properties:
        given |= {"sandbox_permissions": "require_escalated", "justification": "May I write the file?"}
    return Call(tool=tool, arguments=_completed(given, tool))


def _completed(given: dict[str, Any], tool: Tool) -> dict[str, Any]:
    """The arguments with something for everything else that the tool requires."""
    missing = [name for name in tool.required if name not in given]
    return given | {name: smallest(mapping(tool.properties.get(name))) for name in missing}
