"""The stream-json of Claude Code, which Qwen Code speaks as well: one JSON object a line.

Its last line, `result`, is the verdict, and only `is_error` in it counts: `subtype` says "success" of
failed calls, too. Where a model's answer was cut off, `usage` is empty and `modelUsage` is right.
"""

import re
from collections.abc import Iterator, Sequence

from codencer.adapters import telling
from codencer.adapters.objects import Object, ObjectReader, count_at, look, microusd_at, text_at
from codencer.adapters.tally import Tally, kind_of_status
from codencer.model.attempt import AgentEvent, AgentOutcome, ErrorKind
from codencer.model.launch import ExitRecord
from codencer.model.step import AdapterSettings

EDITING = frozenset({"Write", "Edit", "MultiEdit", "NotebookEdit", "write_file", "edit", "replace"})
_STATUS = re.compile(r"API Error:?\D{0,40}\b([45]\d\d)\b")
_LIMIT_REACHED = re.compile(r"limit reached\|(\d{10})\b")
"""How older versions say until when (seconds since 1970) an account has used up its share."""
_UNREADABLE = ("malformed response", "without a finish reason", "empty response", "JSON Parse error")
_LOST = ("Connection to the API was lost", "Connection error")
_LIMITS = frozenset({"error_max_turns", "error_max_budget_usd"})
_MOST_PARTS = 1000
"""Of a single message."""


class StreamJsonParser:
    def __init__(self, settings: AdapterSettings) -> None:
        self._objects = ObjectReader()
        self._tally = Tally(settings, model=settings.model or None)
        self._calls: dict[str, tuple[str, str]] = {}
        self._did_something = False

    def feed(self, data: bytes) -> Sequence[AgentEvent]:
        return [event for said in self._objects.feed(data) for event in self._events(said)]

    def finish(
        self, exit: ExitRecord | None, fragment: bytes | None, report: bytes | None = None
    ) -> AgentOutcome:
        for _ in self._events(self._objects.flush()):
            pass
        return self._tally.conclude(exit, fragment)

    def _events(self, said: Object) -> Iterator[AgentEvent]:
        self._tally.name(session_id=text_at(said, "session_id"))
        match said.get("type"):
            case "system":
                yield from self._system(said)
            case "assistant":
                self._tally.go_on()
                yield from self._assistant(said)
            case "user":
                yield from self._results(said)
            case "rate_limit_event":
                self._note_reset(count_at(said, "rate_limit_info", "resetsAt"))
            case "result":
                yield from self._result(said)

    def _system(self, said: Object) -> Iterator[AgentEvent]:
        if said.get("subtype") == "init":
            self._tally.name(model=text_at(said, "model"))
        elif said.get("subtype") in ("api_retry", "retry"):
            status = count_at(said, "error_status")
            text = f"a call of the model failed ({text_at(said, 'error') or 'no reason given'})"
            yield telling.failure(kind_of_status(status), text, final=False)

    def _assistant(self, said: Object) -> Iterator[AgentEvent]:
        for part in _parts(said):
            match look(part, "type"):
                case "text":
                    yield telling.message(text_at(part, "text"))
                case "thinking":
                    yield telling.thought(text_at(part, "thinking"))
                case "tool_use":
                    call, name = text_at(part, "id"), text_at(part, "name")
                    arguments = look(part, "input")
                    path = text_at(arguments, "file_path") or text_at(arguments, "notebook_path")
                    self._calls[call] = (name, path)
                    yield telling.tool_call(call, name, arguments)

    def _results(self, said: Object) -> Iterator[AgentEvent]:
        for part in _parts(said):
            if look(part, "type") != "tool_result":
                continue
            call, failed = text_at(part, "tool_use_id"), look(part, "is_error") is True
            yield telling.tool_result(call, _text_of(look(part, "content")), failed=failed)
            name, path = self._calls.pop(call, ("", ""))
            self._did_something |= not failed
            if name in EDITING and path and not failed:
                yield telling.file_edit(path)

    def _result(self, said: Object) -> Iterator[AgentEvent]:
        text = text_at(said, "result") or text_at(said, "error", "message") or _errors(said)
        self._tally.summary = text or self._tally.summary
        sent, written = _tokens(said)
        cost = microusd_at(said, "total_cost_usd")
        self._tally.input_tokens, self._tally.output_tokens = sent, written
        self._tally.cost_microusd = cost
        yield telling.usage(sent, written, cost)
        denied = _denials(said)
        if denied:
            self._tally.warn(f"it was not allowed to use: {denied}")
        if look(said, "is_error") is not False:
            yield self._error(said, text)
        elif text_at(said, "stop_reason") == "refusal":
            self._tally.fail(ErrorKind.REFUSED, text or "the model refused")
        elif denied and not self._did_something:
            self._tally.fail(ErrorKind.PERMISSION_DENIED, f"everything it tried was denied: {denied}")
        else:
            self._tally.succeed()

    def _error(self, said: Object, text: str) -> AgentEvent:
        status = count_at(said, "api_error_status")
        if status is None and (found := _STATUS.search(text)):
            status = int(found[1])
        if (until := _LIMIT_REACHED.search(text)) is not None:
            self._note_reset(int(until[1]))
            status = 429
        kind = kind_of_status(status)
        if said.get("subtype") in _LIMITS:
            kind = ErrorKind.LIMIT
        elif status is None and any(each in text for each in _UNREADABLE):
            kind = ErrorKind.MALFORMED
        elif status is None and any(each in text for each in _LOST):
            kind = ErrorKind.OVERLOAD
        shown = text or text_at(said, "subtype") or "it did not say why"
        self._tally.fail(kind, shown)
        return telling.failure(kind, shown, final=True)

    def _note_reset(self, seconds: int | None) -> None:
        if seconds is not None and seconds < 2**40:
            self._tally.resets_at = seconds * 1_000_000


def _parts(said: Object) -> list[object]:
    content = look(said, "message", "content")
    return content[:_MOST_PARTS] if isinstance(content, list) else []


def _text_of(content: object) -> str:
    """What a tool said, which is a text or a list of parts."""
    if isinstance(content, list):
        return "\n".join(text_at(part, "text") for part in content[:_MOST_PARTS])
    return content if isinstance(content, str) else ""


def _errors(said: Object) -> str:
    errors = said.get("errors")
    return (
        "; ".join(each for each in errors[:10] if isinstance(each, str)) if isinstance(errors, list) else ""
    )


def _denials(said: Object) -> str:
    denied = said.get("permission_denials")
    names = [text_at(each, "tool_name") for each in denied[:20]] if isinstance(denied, list) else []
    return ", ".join(dict.fromkeys(name for name in names if name))


def _tokens(said: Object) -> tuple[int | None, int | None]:
    models = said.get("modelUsage")
    if isinstance(models, dict) and models:
        used = list(models.values())[:20]
        names = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
        sent = [count_at(each, name) or 0 for each in used for name in names]
        return sum(sent), sum(count_at(each, "outputTokens") or 0 for each in used)
    return count_at(said, "usage", "input_tokens"), count_at(said, "usage", "output_tokens")
