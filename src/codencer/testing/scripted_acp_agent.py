"""A scripted agent that speaks the Agent Client Protocol: a real program, for tests of two-way agents.

Each line `simulate: VERB ARGUMENTS` of the prompt is one action, done in order in the folder of the
session; docs/simulation.md has the verbs. In the mode `ask`, in which it begins, each `write` and `run`
asks for permission first; in `free` it does not. Options: `--free` begins in the other mode,
`--no-modes` offers none, `--sign-in` wants `authenticate` first, `--protocol N` speaks that version.
Standard library only and self-contained: it runs under `python -I -S`.
"""

import json
import os
import sys

TYPE_CHECKING = False  # what the type checker takes for true; importing typing would double our start time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

PREFIX = "simulate:"
METHOD_NOT_FOUND, AUTH_REQUIRED = -32601, -32000
OPTIONS = [
    {"optionId": "allow", "name": "Allow", "kind": "allow_once"},
    {"optionId": "always", "name": "Allow for this session", "kind": "allow_always"},
    {"optionId": "reject", "name": "Reject", "kind": "reject_once"},
]


class Failure(Exception):
    """The request that is being answered fails with this error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ended(Exception):
    """The turn ends with this reason."""


class Line:
    """The two pipes: one JSON message a line. `answers` are those that nobody has waited for yet."""

    def __init__(self) -> None:
        self.number = 0
        self.answers: dict[int, dict[str, Any]] = {}

    def say(self, **message: "Any") -> None:
        os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def hear(self) -> "dict[str, Any] | None":
        """The next message; None when the client has closed the line."""
        line = sys.stdin.buffer.readline()
        return json.loads(line) if line else None

    def ask(self, method: str, **params: "Any") -> "dict[str, Any]":
        """Ask the client and wait for its answer."""
        return self.wait(self.send(method, **params))

    def send(self, method: str, **params: "Any") -> int:
        self.number += 1
        self.say(id=self.number, method=method, params=params)
        return self.number

    def wait(self, number: int) -> "dict[str, Any]":
        """The answer to that request; a cancelled turn ends here."""
        while number not in self.answers:
            message = self.hear()
            if message is None:
                sys.exit(4)
            if message.get("method") == "session/cancel":
                raise Ended("cancelled")
            if "method" not in message:
                self.answers[message["id"]] = message
        return self.answers.pop(number)


class Agent:
    def __init__(self, options: "list[str]") -> None:
        self.line = Line()
        self.modes = [] if "--no-modes" in options else ["ask", "free"]
        self.mode = "free" if "--free" in options else "ask"
        self.signed_in = "--sign-in" not in options
        self.protocol = int(options[options.index("--protocol") + 1]) if "--protocol" in options else 1
        self.session = ""
        self.usage: dict[str, int] | None = None
        self.calls = self.messages = 0
        self.stays = False

    def serve(self) -> None:
        """Answer requests until the client closes the line."""
        while (message := self.line.hear()) is not None:
            if "method" not in message or "id" not in message:
                continue
            try:
                result = self.answer(message["method"], message.get("params", {}))
            except Failure as failure:
                error = {"code": failure.code, "message": str(failure)}
                self.line.say(id=message["id"], error=error)
            else:
                self.line.say(id=message["id"], result=result)
        if self.stays:
            hang()

    def answer(self, method: str, params: "dict[str, Any]") -> "dict[str, Any]":
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "initialize": self.initialize,
            "authenticate": self.authenticate,
            "session/new": self.open,
            "session/load": self.load,
            "session/set_mode": self.set_mode,
            "session/prompt": self.prompt,
        }
        if method not in answers:
            raise Failure(METHOD_NOT_FOUND, f"unknown method {method}")
        return answers[method](**params)

    def initialize(self, **_: object) -> "dict[str, Any]":
        return {
            "protocolVersion": self.protocol,
            "agentCapabilities": {"loadSession": True},
            "agentInfo": {"name": "scripted-acp-agent", "version": "1"},
            "authMethods": [{"id": "scripted", "name": "Say the word"}],
        }

    def authenticate(self, methodId: str) -> "dict[str, Any]":
        self.signed_in = methodId == "scripted"
        return {}

    def open(self, cwd: str, **_: object) -> "dict[str, Any]":
        if not self.signed_in:
            raise Failure(AUTH_REQUIRED, "Authentication required")
        os.chdir(cwd)
        self.session = self.session or f"session-{os.getpid()}"
        modes = {
            "currentModeId": self.mode,
            "availableModes": [{"id": each, "name": each.title()} for each in self.modes],
        }
        return {"sessionId": self.session, **({"modes": modes} if self.modes else {})}

    def load(self, sessionId: str, **rest: "Any") -> "dict[str, Any]":
        self.session = sessionId
        opened = self.open(**rest)
        self.words("user_message_chunk", "what was asked before")
        self.words("agent_message_chunk", "what was said before")
        del opened["sessionId"]
        return opened

    def set_mode(self, modeId: str, **_: object) -> "dict[str, Any]":
        if modeId not in self.modes:
            raise Failure(-32602, f"there is no mode {modeId}")
        self.mode = modeId
        return {}

    def prompt(self, prompt: "list[dict[str, Any]]", **_more: object) -> "dict[str, Any]":
        lines = "\n".join(str(each.get("text", "")) for each in prompt).split("\n")
        script: list[str] = [
            line.strip()[len(PREFIX) :].strip() for line in lines if line.strip().startswith(PREFIX)
        ]
        reason = "end_turn"
        try:
            for directive in script:
                self.do(directive)
        except Ended as ended:
            reason = str(ended)
        answer: dict[str, Any] = {"stopReason": reason}
        return answer | ({"usage": self.usage} if self.usage else {})

    def do(self, directive: str) -> None:
        verb, _, rest = directive.partition(" ")
        if verb not in VERBS:
            raise Failure(-32602, f"unknown directive {verb!r}; known: {', '.join(VERBS)}")
        VERBS[verb](self, rest.strip())

    def update(self, what: str, /, **rest: "Any") -> None:
        params = {"sessionId": self.session, "update": {"sessionUpdate": what, **rest}}
        self.line.say(method="session/update", params=params)

    def words(self, kind: str, text: str) -> None:
        self.update(kind, content={"type": "text", "text": text})

    def tool(self, kind: str, title: str, do: "Callable[[], str]", **rest: "Any") -> None:
        """Tell of a tool call, ask if this mode does, and do it."""
        self.calls += 1
        call = {"toolCallId": f"call-{self.calls}", "title": title, "kind": kind, **rest}
        self.update("tool_call", status="pending", **call)
        if self.mode == "ask" and not self.allowed(call):
            self.update("tool_call_update", toolCallId=call["toolCallId"], status="failed")
            self.words("agent_message_chunk", f"I was not allowed: {title}")
            return
        said = [{"type": "content", "content": {"type": "text", "text": do()}}, *rest.get("content", [])]
        self.update("tool_call_update", toolCallId=call["toolCallId"], status="completed", content=said)

    def allowed(self, call: "dict[str, Any]") -> bool:
        return self.let(self.line.wait(self.request(call)))

    def request(self, call: "dict[str, Any]") -> int:
        params = {"sessionId": self.session, "toolCall": call, "options": OPTIONS}
        return self.line.send("session/request_permission", **params)

    def let(self, answer: "dict[str, Any]") -> bool:
        outcome = answer.get("result", {}).get("outcome", {})
        return outcome.get("outcome") == "selected" and outcome.get("optionId") in ("allow", "always")


def write(agent: Agent, rest: str) -> None:
    path, _, text = rest.partition(" ")
    diff = {"type": "diff", "path": os.path.abspath(path), "newText": f"{text}\n"}

    def do() -> str:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
        return f"wrote {path}"

    agent.tool("edit", f"Write {path}", do, content=[diff], locations=[{"path": diff["path"]}])


def run(agent: Agent, command: str) -> None:
    agent.tool("execute", command, lambda: shell(command), rawInput={"command": command})


def ask(agent: Agent, directive: str) -> None:
    """Do this, but ask first, whatever the mode."""
    mode, agent.mode = agent.mode, "ask"
    agent.do(directive)
    agent.mode = mode


def pair(agent: Agent, rest: str) -> None:
    """Ask for two commands at once, `ONE; OTHER`, and say which were allowed."""
    commands = [each.strip() for each in rest.split(";")]
    asked = [
        agent.request({"toolCallId": f"pair-{each}", "title": each, "kind": "execute"}) for each in commands
    ]
    let = [agent.let(agent.line.wait(each)) for each in asked]
    say(
        agent, ", ".join(f"{each}: {'yes' if may else 'no'}" for each, may in zip(commands, let, strict=True))
    )


def do(_agent: Agent, command: str) -> None:
    """Like `run`, but nobody hears of it."""
    shell(command)


def leave(_agent: Agent, command: str) -> None:
    """Begin a command and do not wait for it."""
    import subprocess

    null = subprocess.DEVNULL
    subprocess.Popen(["/bin/sh", "-c", command], stdin=null, stdout=null, stderr=null)


def shell(command: str) -> str:
    import subprocess

    done = subprocess.run(
        ["/bin/sh", "-c", command], check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.stdout.decode("utf-8", "replace")


def say(agent: Agent, text: str) -> None:
    """In two pieces, as models do."""
    agent.messages += 1
    half = len(text) // 2
    for piece in (text[:half], text[half:]):
        content = {"type": "text", "text": piece}
        agent.update("agent_message_chunk", content=content, messageId=f"message-{agent.messages}")


def plan(agent: Agent, text: str) -> None:
    entries = [
        {"content": each.strip(), "priority": "medium", "status": "pending"} for each in text.split(";")
    ]
    agent.update("plan", entries=entries)


def hand(agent: Agent, rest: str) -> None:
    """Have the client write a file."""
    path, _, text = rest.partition(" ")
    answer = agent.line.ask(
        "fs/write_text_file", sessionId=agent.session, path=os.path.abspath(path), content=f"{text}\n"
    )
    say(agent, answer.get("error", {}).get("message") or f"handed over {path}")


def fetch(agent: Agent, path: str) -> None:
    """Have the client read a file, and say what is in it."""
    answer = agent.line.ask("fs/read_text_file", sessionId=agent.session, path=os.path.abspath(path))
    said = answer.get("result", {}).get("content") or answer.get("error", {}).get("message")
    say(agent, str(said))


def request(agent: Agent, method: str) -> None:
    say(agent, str(agent.line.ask(method).get("error", {}).get("code")))


def usage(agent: Agent, rest: str) -> None:
    given, _, taken = rest.partition(" ")
    agent.usage = {
        "inputTokens": int(given),
        "outputTokens": int(taken),
        "totalTokens": int(given) + int(taken),
    }


def noise(_agent: Agent, text: str) -> None:
    os.write(1, text.encode() + b"\n")


def fail(_agent: Agent, rest: str) -> "NoReturn":
    code, _, message = rest.partition(" ")
    raise Failure(int(code), message)


def stop(_agent: Agent, reason: str) -> "NoReturn":
    raise Ended(reason)


def quit_now(_agent: Agent, code: str) -> "NoReturn":
    sys.exit(int(code or 0))


def stay(agent: Agent, _rest: str) -> None:
    agent.stays = True


def hang(*_: object) -> "NoReturn":
    import signal

    while True:
        signal.pause()


VERBS: "dict[str, Callable[[Agent, str], None]]" = {
    "write": write,
    "run": run,
    "ask": ask,
    "pair": pair,
    "do": do,
    "leave": leave,
    "say": say,
    "think": lambda agent, text: agent.words("agent_thought_chunk", text),
    "plan": plan,
    "hand": hand,
    "fetch": fetch,
    "request": request,
    "notify": lambda agent, method: agent.line.say(method=method, params={"private": True}),
    "usage": usage,
    "noise": noise,
    "fail": fail,
    "stop": stop,
    "exit": quit_now,
    "stay": stay,
    "hang": hang,
}

if __name__ == "__main__":
    Agent(sys.argv[1:]).serve()
