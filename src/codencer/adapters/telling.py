"""What an agent said and did, as events: every text in them is bounded, and safe to show.

One place for the shape of `AgentEvent.data`, which is documented with `AgentEventKind`.
"""

import json

from codencer.adapters.lines import printable
from codencer.model.attempt import AgentEvent, AgentEventKind, ErrorKind

LONGEST_TEXT = 32 * 1024
"""Characters of a message; nobody reads more of it in a transcript, and the raw output has it all."""
LONGEST_OUTPUT = 4 * 1024
"""Characters of what a tool printed, and of each argument it was given."""
LONGEST_CALL = 200
_MOST_ARGUMENTS = 50

_TELLING = ("command", "cmd", "filePath", "file_path", "path", "pattern", "query", "url", "description")
"""Arguments that say in one line what a call is about, the best first."""


def message(text: str) -> AgentEvent:
    return AgentEvent(kind=AgentEventKind.MESSAGE, text=printable(text, LONGEST_TEXT))


def thought(text: str) -> AgentEvent:
    return AgentEvent(kind=AgentEventKind.THOUGHT, text=printable(text, LONGEST_TEXT))


def tool_call(call_id: str, name: str, arguments: object) -> AgentEvent:
    given = arguments if isinstance(arguments, dict) else {}
    data: dict[str, object] = {"id": _line(call_id), "name": _line(name), "input": _bounded(given)}
    subject = next((given[key] for key in _TELLING if isinstance(given.get(key), str)), "")
    return AgentEvent(kind=AgentEventKind.TOOL_CALL, text=_line(f"{name} {subject}"), data=data)


def tool_result(call_id: str, text: str, *, failed: bool) -> AgentEvent:
    data: dict[str, object] = {"id": _line(call_id), "failed": failed}
    return AgentEvent(kind=AgentEventKind.TOOL_RESULT, text=printable(text, LONGEST_OUTPUT), data=data)


def file_edit(path: str) -> AgentEvent:
    shown = printable(path, LONGEST_OUTPUT)
    return AgentEvent(kind=AgentEventKind.FILE_EDIT, text=shown, data={"path": shown})


def usage(
    input_tokens: int | None, output_tokens: int | None, cost_microusd: int | None = None
) -> AgentEvent:
    known = {"input_tokens": input_tokens, "output_tokens": output_tokens, "cost_microusd": cost_microusd}
    data: dict[str, object] = {name: value for name, value in known.items() if value is not None}
    text = ", ".join(f"{name} {value}" for name, value in data.items())
    return AgentEvent(kind=AgentEventKind.USAGE, text=text, data=data)


def failure(kind: ErrorKind, text: str, *, final: bool) -> AgentEvent:
    """An error; one that is not `final` was tried again by the agent."""
    data: dict[str, object] = {"kind": kind, "final": final}
    return AgentEvent(kind=AgentEventKind.ERROR, text=printable(text, LONGEST_OUTPUT), data=data)


def shown(text: str) -> str:
    """A text of an agent's as one line that is short enough for a list."""
    return _line(text)


def _line(text: str) -> str:
    return " ".join(printable(text, LONGEST_CALL).split())


def _bounded(arguments: dict[str, object]) -> dict[str, object]:
    """The arguments of a call, each as short as a reader needs it."""
    kept = list(arguments.items())[:_MOST_ARGUMENTS]
    return {_line(str(name)): _short(value) for name, value in kept}


def _short(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    return printable(text, LONGEST_OUTPUT)
