"""What an agent said and did, in lines for a person: the same for every adapter.

Pure. The words are the agent's, so what comes out is bounded and free of anything a terminal
would obey. It is a reading, not the record: the raw output and the events are kept whole.
"""

from collections.abc import Callable, Iterator, Mapping

from codencer.adapters.lines import harmless, printable, shortened
from codencer.model.attempt import AgentEvent, AgentEventKind

MESSAGE_LINES, THOUGHT_LINES, RESULT_LINES, PLAN_LINES = 100, 3, 5, 20
MESSAGE_CHARACTERS = 16 * 1024
"""More than a line of output may have, so that the lines of a plain command stay whole."""
LINE_CHARACTERS = 400
"""Of anything but a message."""

_MARKS = {"completed": "x", "in_progress": ">"}


def readable(event: AgentEvent) -> list[str]:
    """Return the lines of one event; none when it has nothing to show."""
    return list(_SHOW[event.kind](event))


def _message(event: AgentEvent) -> Iterator[str]:
    text = shortened(harmless(event.text, MESSAGE_CHARACTERS + 1), MESSAGE_CHARACTERS).strip("\n").rstrip()
    yield from _some(text.split("\n") if text else [], MESSAGE_LINES, "")


def _thought(event: AgentEvent) -> Iterator[str]:
    yield from _some(_lines(event.text), THOUGHT_LINES, "~ ")


def _tool_call(event: AgentEvent) -> Iterator[str]:
    yield f"> {_line(event.text) or _text(event.data, 'name') or 'a tool'}"


def _tool_result(event: AgentEvent) -> Iterator[str]:
    failed = event.data.get("failed") is True
    lines = _lines(event.text) or (["failed"] if failed else [])
    yield from _some(lines, RESULT_LINES, "  ! " if failed else "  | ")


def _file_edit(event: AgentEvent) -> Iterator[str]:
    yield f"* edited {_text(event.data, 'path') or _line(event.text) or 'a file'}"


def _plan(event: AgentEvent) -> Iterator[str]:
    entries = event.data.get("entries")
    listed = (
        [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list | tuple) else []
    )
    if not listed:
        yield f"plan: {_line(event.text)}".rstrip()
        return
    yield "plan:"
    marked = [f"[{_MARKS.get(_text(each, 'status'), ' ')}] {_text(each, 'content')}" for each in listed]
    yield from _some(marked, PLAN_LINES, "  ")


def _usage(event: AgentEvent) -> Iterator[str]:
    known = {name: value for name, value in event.data.items() if type(value) is int}
    words = [
        f"{known[name]} {unit}"
        for name, unit in (("input_tokens", "tokens in"), ("output_tokens", "tokens out"))
        if name in known
    ]
    if (cost := known.get("cost_microusd")) is not None:
        words.append(f"{cost // 1_000_000}.{cost % 1_000_000:06d} USD")
    if said := ", ".join(words) or _line(event.text):
        yield f"= {said}"


def _permission(event: AgentEvent) -> Iterator[str]:
    yield f"? {_line(event.text) or 'asks to be allowed something'}"


def _error(event: AgentEvent) -> Iterator[str]:
    again = " (it tried again)" if event.data.get("final") is False else ""
    yield f"! {_line(event.text) or _text(event.data, 'kind') or 'an error'}{again}"


_SHOW: Mapping[AgentEventKind, Callable[[AgentEvent], Iterator[str]]] = {
    AgentEventKind.MESSAGE: _message,
    AgentEventKind.THOUGHT: _thought,
    AgentEventKind.TOOL_CALL: _tool_call,
    AgentEventKind.TOOL_RESULT: _tool_result,
    AgentEventKind.FILE_EDIT: _file_edit,
    AgentEventKind.PLAN: _plan,
    AgentEventKind.USAGE: _usage,
    AgentEventKind.PERMISSION: _permission,
    AgentEventKind.ERROR: _error,
}


def _lines(text: str) -> list[str]:
    """The lines that are not blank, each shortened."""
    lines = (line.rstrip() for line in printable(text, MESSAGE_CHARACTERS).split("\n"))
    return [shortened(line, LINE_CHARACTERS) for line in lines if line.strip()]


def _line(text: str) -> str:
    """Everything in one line, as a command of several lines is shown."""
    return shortened(" ".join(line.strip() for line in _lines(text)), LINE_CHARACTERS)


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return _line(value) if isinstance(value, str) else ""


def _some(lines: list[str], most: int, before: str) -> Iterator[str]:
    for line in lines[:most]:
        yield before + line
    if len(lines) > most:
        yield f"{before}… ({len(lines) - most} more lines)"
