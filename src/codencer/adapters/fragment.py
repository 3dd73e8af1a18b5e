"""The fragment of a result that an agent may write to `$CODENCER_RESULT_FILE`.

`{"summary": "", "questions": [], "warnings": [], "needs_human_decision": false}`, every key
optional. It comes from the agent, so nothing in it is trusted: what does not fit is left
out with a warning, what fits is bounded, and no content can make reading it fail.
"""

import json
from dataclasses import dataclass

from codencer.adapters.lines import printable

MAX_FRAGMENT_BYTES = 1024 * 1024
MAX_ITEMS = 100
MAX_ITEM_CHARACTERS = 4000
MAX_SUMMARY_CHARACTERS = 4000
_KNOWN = ("summary", "questions", "warnings", "needs_human_decision")


@dataclass(frozen=True, kw_only=True)
class Fragment:
    """What was believed of it; `warnings` are the agent's own, then ours about the file."""

    summary: str = ""
    questions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    needs_human_decision: bool = False


def read_fragment(data: bytes | None) -> Fragment:
    """Return what an agent left in its result file; None or nothing but blanks is an empty one."""
    if data is None or not data.strip():
        return Fragment()
    if len(data) > MAX_FRAGMENT_BYTES:
        return _ignored(f"it has more than {MAX_FRAGMENT_BYTES} bytes")
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        return _ignored(f"it is not readable JSON ({problem})")
    if not isinstance(value, dict):
        return _ignored("it is not a JSON object")
    problems = _unknown_keys(value)
    summary = value.get("summary", "")
    if not isinstance(summary, str):
        problems.append("result file: summary is not a text and was ignored")
        summary = ""
    decision = value.get("needs_human_decision", False)
    if not isinstance(decision, bool):
        problems.append("result file: needs_human_decision is not true or false; taken as true")
        decision = True
    questions = _texts(value, "questions", problems)
    warnings = _texts(value, "warnings", problems)
    return Fragment(
        summary=printable(summary, MAX_SUMMARY_CHARACTERS),
        questions=questions,
        warnings=(*warnings, *problems),
        needs_human_decision=decision,
    )


def _ignored(why: str) -> Fragment:
    return Fragment(warnings=(f"result file: ignored, {why}",))


def _unknown_keys(value: dict[str, object]) -> list[str]:
    unknown = [key for key in value if key not in _KNOWN]
    if not unknown:
        return []
    shown = ", ".join(printable(key, 40) for key in unknown[:5])
    return [f"result file: {len(unknown)} unknown key(s) ignored: {shown}; known: {', '.join(_KNOWN)}"]


def _texts(value: dict[str, object], key: str, problems: list[str]) -> tuple[str, ...]:
    """The texts of a list, bounded; appends to `problems` what did not fit."""
    items = value.get(key, [])
    if not isinstance(items, list):
        problems.append(f"result file: {key} is not a list and was ignored")
        return ()
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) < len(items):
        problems.append(f"result file: {len(items) - len(texts)} of {key} are not texts and were ignored")
    if len(texts) > MAX_ITEMS:
        problems.append(f"result file: only the first {MAX_ITEMS} of {len(texts)} {key} were kept")
    clean = (printable(text, MAX_ITEM_CHARACTERS) for text in texts[:MAX_ITEMS])
    return tuple(text for text in clean if text)
