"""What the bridge says of its own accord, from the greeting to the prompt, in order.

A generator of requests: each is yielded, and the agent's answer to it is what `yield` gives back; an
error in its place is thrown in. That depends on nothing but the script, the assignment and those
answers, and so do the words and keys of the requests.
"""

from collections.abc import Generator
from dataclasses import dataclass

from codencer import __version__
from codencer.adapters.acp.faults import AUTH_REQUIRED, blame
from codencer.adapters.acp.script import Script
from codencer.adapters.acp.turn import Turn
from codencer.adapters.acp.wire import Json, mapping, sequence
from codencer.adapters.objects import look, text_at
from codencer.model.attempt import ErrorKind
from codencer.model.ports import Assignment

PROTOCOL_VERSION = 1
LONGEST_SESSION = 1000
"""Characters of the agent's name for a conversation, which is said back to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request; `key` names it within the conversation."""

    key: str
    method: str
    params: Json


class Refused(Exception):
    """The agent answered a step with this error."""

    def __init__(self, method: str, error: Json) -> None:
        super().__init__(method)
        self.error = error
        kind, said = blame(error)
        self.kind, self.said = kind, said if method == "session/prompt" else f"{method}: {said}"


class Unable(Exception):
    """The conversation cannot go on; says why."""

    def __init__(self, kind: ErrorKind, said: str) -> None:
        super().__init__(said)
        self.kind, self.said = kind, said


Steps = Generator[Step, Json, None]
Answer = Generator[Step, Json, Json]


def converse(script: Script, given: Assignment | None, turn: Turn) -> Steps:
    """Greet, open, set up, and give the task. `given` is None where it only matters what is heard.

    Raises:
        Refused, Unable: the agent cannot do what is asked, or not as it must be.
    """
    hello = yield _greeting()
    _check(hello, given)
    opened = yield from _open(script, given)
    earlier = given.session_id if given else None
    session = text_at(opened, "sessionId")[:LONGEST_SESSION] or earlier
    if not session:
        raise Unable(ErrorKind.MALFORMED, "it opened a conversation and gave it no name")
    turn.opened(session, opened)
    if (mode := _mode(script, opened)) is not None:
        yield Step("mode", "session/set_mode", {"sessionId": session, "modeId": mode})
    if script.model:
        yield _model(script.model, session, opened, turn)
    turn.began()
    prompt = [{"type": "text", "text": given.prompt if given else ""}]
    turn.ended((yield Step("prompt", "session/prompt", {"sessionId": session, "prompt": prompt})))


def _greeting() -> Step:
    # Access to files is not offered, because agents have their own; some ask for it all the same.
    params: Json = {
        "protocolVersion": PROTOCOL_VERSION,
        "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
        "clientInfo": {"name": "codencer", "version": __version__},
    }
    return Step("initialize", "initialize", params)


def _check(hello: Json, given: Assignment | None) -> None:
    version = hello.get("protocolVersion")
    if version != PROTOCOL_VERSION:
        raise Unable(
            ErrorKind.MALFORMED,
            f"it speaks version {version!a} of the Agent Client Protocol; understood is {PROTOCOL_VERSION}",
        )
    resuming = given is not None and given.session_id is not None
    if resuming and look(hello, "agentCapabilities", "loadSession") is not True:
        raise Unable(ErrorKind.CRASH, "it cannot take up an earlier conversation")


def _open(script: Script, given: Assignment | None) -> Answer:
    """Begin a conversation, or take up an earlier one; sign in first where that needs no person."""
    method, key = "session/new", "session"
    params: Json = {"cwd": str(given.workspace) if given else "/", "mcpServers": []}
    if given is not None and given.session_id is not None:
        method, params["sessionId"] = "session/load", given.session_id
    try:
        return (yield Step(key, method, params))
    except Refused as refusal:
        if refusal.error.get("code") != AUTH_REQUIRED or script.auth_method is None:
            raise
    yield Step("authenticate", "authenticate", {"methodId": script.auth_method})
    return (yield Step(f"{key}-again", method, params))


def _mode(script: Script, opened: Json) -> str | None:
    """The mode to set; None leaves the agent in the one it begins with."""
    offered = [text_at(each, "id") for each in sequence(look(opened, "modes", "availableModes"))]
    mode = next((each for each in script.modes if each in offered), None)
    if mode is None and script.must_ask and script.modes:
        raise Unable(
            ErrorKind.CRASH,
            f"it does not offer the mode {script.modes[0]!a}, in which it asks before it acts, so it was "
            'given no task; set approvals = "allow" to let it work unasked',
        )
    return mode


def _model(model: str, session: str, opened: Json, turn: Turn) -> Step:
    for option in map(mapping, sequence(opened.get("configOptions"))):
        if option.get("category") == "model":
            turn.usage.chose(model)
            params: Json = {"sessionId": session, "configId": text_at(option, "id"), "value": model}
            return Step("model", "session/set_config_option", params)
    raise Unable(ErrorKind.CRASH, f"it does not let a model be chosen, so {model!a} cannot be used")
