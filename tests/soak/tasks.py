"""What is asked for: random tasks, each with the states it may come to when nothing interferes."""

import json
import random
from dataclasses import dataclass, field
from typing import Any

OK = frozenset({"completed"})


@dataclass(frozen=True, kw_only=True)
class Task:
    """`key` is in its title and its tokens, and nowhere else; `expected` are states."""

    key: str
    kind: str
    expected: frozenset[str]
    actions: tuple[list[object], ...]
    hooked: bool
    more: dict[str, Any] = field(default_factory=dict)

    def overrides(self, base: str | None) -> dict[str, Any]:
        """The task's keys beside its goal."""
        return {"title": self.key, **self.more, **({} if base is None else {"base": f"step:{base}"})}

    @property
    def goal(self) -> str:
        return f"Do what this says.\nsoak: {json.dumps(self.actions)}\n"


_KINDS = {
    "edit": 6,
    "commit": 4,
    "slow": 6,
    "crash": 2,
    "fail": 1,
    "hang": 2,
    "silent": 1,
    "flood": 1,
    "question": 1,
    "warning": 1,
    "gate": 1,
    "tools": 4,
    "checked": 5,
    "refuted": 2,
    "doubted": 1,
}


def make(rng: random.Random, key: str) -> Task:
    """A random task."""
    kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
    actions, expected, more = _SHAPES[kind](rng, key)
    first: list[list[object]] = [["edit", f"notes/{key}.txt", f"{key}-first"]]
    tools: list[list[object]] = [[rng.choice(("child", "daemonise"))]] if rng.random() < 0.5 else []
    last: list[list[object]] = [["edit", "code.txt", f"{key}-last"], ["say", "done"]]
    return Task(
        key=key,
        kind=kind,
        expected=expected,
        actions=(*first, *tools, *actions, *last),
        hooked=rng.random() < 0.3,
        more=more,
    )


Shape = tuple[list[list[object]], frozenset[str], dict[str, Any]]


def _nap(rng: random.Random, most: float = 0.4) -> list[object]:
    return ["sleep", round(rng.uniform(0, most), 3)]


def _edit(rng: random.Random, key: str) -> Shape:
    return [_nap(rng)], OK, {}


def _commit(rng: random.Random, key: str) -> Shape:
    return [["commit", key], _nap(rng), ["edit", f"more/{key}.txt", f"{key}-more"]], OK, {}


def _slow(rng: random.Random, key: str) -> Shape:
    pieces: list[list[object]] = []
    for number in range(rng.randint(2, 6)):
        pieces += [_nap(rng, 1.0), ["edit", f"slow/{key}.txt", f"{key}-{number}"]]
    return pieces, OK, {}


def _crash(rng: random.Random, key: str) -> Shape:
    return [_nap(rng), ["crash"]], frozenset({"failed_adapter"}), {}


def _fail(rng: random.Random, key: str) -> Shape:
    return [_nap(rng), ["fail", 3]], frozenset({"failed_adapter"}), {}


def _hang(rng: random.Random, key: str) -> Shape:
    deaf: list[list[object]] = [["deaf"]] if rng.random() < 0.5 else []
    return [*deaf, ["hang"]], frozenset({"timeout"}), {"timeout_seconds": rng.randint(1, 3)}


def _silent(rng: random.Random, key: str) -> Shape:
    return [["child"], ["hang"]], frozenset({"timeout"}), {"idle_timeout_seconds": 2}


def _flood(rng: random.Random, key: str) -> Shape:
    return [["flood", rng.randint(1, 4_000_000)]], OK, {}


def _question(rng: random.Random, key: str) -> Shape:
    return [["ask", "Which one?"], _nap(rng)], frozenset({"failed_terminal"}), {}


def _warning(rng: random.Random, key: str) -> Shape:
    return [["warn", "It looked odd."]], OK, {}


def _gate(rng: random.Random, key: str) -> Shape:
    return [_nap(rng)], frozenset({"needs_approval"}), {"allowed_paths": ["docs/**"]}


def _tools(rng: random.Random, key: str) -> Shape:
    return [["child"], ["daemonise"], _nap(rng, 1.5)], OK, {}


def _check(key: str, rng: random.Random, **more: object) -> dict[str, object]:
    command = f"sleep {rng.uniform(0, 0.6):.2f}; grep -q {key}-first notes/{key}.txt"
    return {"name": f"check-{rng.random()}", "command": command, **more}


def _checked(rng: random.Random, key: str) -> Shape:
    return [_nap(rng)], OK, {"validations": [_check(key, rng) for _ in range(rng.randint(1, 3))]}


def _refuted(rng: random.Random, key: str) -> Shape:
    wrong = {"name": "wrong", "command": "sleep 0.1; false"}
    return [_nap(rng)], frozenset({"failed_validation"}), {"validations": [_check(key, rng), wrong]}


def _doubted(rng: random.Random, key: str) -> Shape:
    doubt = {"name": "doubt", "command": "exit 7", "severity": "warning"}
    return [], frozenset({"completed_with_warnings"}), {"validations": [doubt, _check(key, rng)]}


_SHAPES = {
    "edit": _edit,
    "commit": _commit,
    "slow": _slow,
    "crash": _crash,
    "fail": _fail,
    "hang": _hang,
    "silent": _silent,
    "flood": _flood,
    "question": _question,
    "warning": _warning,
    "gate": _gate,
    "tools": _tools,
    "checked": _checked,
    "refuted": _refuted,
    "doubted": _doubted,
}
