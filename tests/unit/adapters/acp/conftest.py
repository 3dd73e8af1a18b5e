"""Sessions without agents, and what real agents said in conversations that Codencer led."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codencer.adapters import load
from codencer.model.dialogue import Message
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment, Session, TwoWayAdapter
from codencer.model.step import AdapterSettings, AgentProtocol, Approvals
from codencer.model.task import TaskSpec

SAMPLES = Path(__file__).with_name("samples")
Said = tuple[str, Any]
"""The key of a message of ours, or `<` for one of the agent's, and the message."""


def _assignment(session_id: str | None = None) -> Assignment:
    exchange = Path("/state/exchange")
    return Assignment(
        task=TaskSpec(goal="Add hello.txt"),
        prompt="Add hello.txt",
        workspace=Path("/workspace"),
        task_file=exchange / "task.json",
        prompt_file=exchange / "prompt.txt",
        result_file=exchange / "result.json",
        report_file=exchange / "report.json",
        session_id=session_id,
    )


@pytest.fixture
def assignment() -> Callable[..., Assignment]:
    return _assignment


class Talk:
    """A session, and the few things that a test says to it as its agent."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.events: list[Any] = []

    def hear(self, *messages: object) -> None:
        for each in messages:
            data = (
                each if isinstance(each, bytes) else json.dumps({"jsonrpc": "2.0", **_object(each)}).encode()
            )
            self.events += self.session.feed(data + b"\n")

    def due(self) -> list[Any]:
        """What is due: messages as (key, message), the rest as it is."""
        return [
            (each.key, json.loads(each.data)) if isinstance(each, Message) else each
            for each in self.session.due()
        ]

    def begin(self, *, modes: tuple[str, ...] = (), **opened: object) -> list[Any]:
        """Go through the greeting and the opening, and return what is due then."""
        self.due()
        self.hear({"id": 1, "result": {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}})
        self.due()
        offered = {"availableModes": [{"id": each, "name": each} for each in modes]}
        self.hear({"id": 2, "result": {"sessionId": "s1", **({"modes": offered} if modes else {}), **opened}})
        return self.due()

    def update(self, what: str, /, **rest: object) -> None:
        self.hear({"method": "session/update", "params": {"update": {"sessionUpdate": what, **rest}}})

    def ended(self, **record: Any) -> Any:
        return self.session.finish(ExitRecord(**{"reason": ExitReason.EXITED, "code": 0, **record}), None)


def _object(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


@pytest.fixture
def talk() -> Callable[..., Talk]:
    """`talk("acp-codex", approvals="ask")`, or without a name an agent of the user's own."""

    def begin(name: str = "mine", session_id: str | None = None, **settings: Any) -> Talk:
        if name == "mine":
            settings |= {"command": ("mine",), "protocol": AgentProtocol.ACP}
        settings["approvals"] = Approvals(settings.get("approvals", "allow"))
        adapter = load(name, AdapterSettings(name=name, **settings))
        assert isinstance(adapter, TwoWayAdapter)
        return Talk(adapter.session(_assignment(session_id)))

    return begin


def _sample(name: str) -> Iterator[Said]:
    for line in (SAMPLES / f"{name}.jsonl").read_text("utf-8").splitlines():
        who, message = json.loads(line)
        yield who.removeprefix("> "), message


@pytest.fixture
def sample() -> Callable[[str], list[Said]]:
    """`sample("codex-deny")`: both sides of a conversation that was had."""
    return lambda name: list(_sample(name))


@pytest.fixture
def overheard() -> Callable[[str], bytes]:
    """`overheard("acpx-edit")`: what acpx printed."""
    return lambda name: (SAMPLES / f"{name}.jsonl").read_bytes()
