"""What each scenario has the agent do: a list of moves, of which the n-th follows n answers of tools.

A scenario that is a fault (`faults`) never comes to its moves. Parameters stand in the script;
`file` and `content` are what is written (default `hello.txt`, `hello`). With any scenario, `delay`
holds each answer back for so many seconds, and `meet` (a name) with `count` until so many scripts
with different ids have come to that meeting: so many agents are then at work at the same moment.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from codencer.testing.model_server.script import Script

FILE, CONTENT = "hello.txt", "hello"
SLEEP_SECONDS, PAUSE_SECONDS = 600, 4
HUGE_BYTES = 2 * 1024 * 1024
_SENTENCE = "The scripted model has a great deal to say and says it again and again. "


@dataclass(frozen=True, kw_only=True)
class Say:
    """Answer with a text, which ends the turn."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Write:
    """Write a file with the agent's own tool for that; `escalated` as of a command, where it is one."""

    file: str
    content: str
    escalated: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """Run a command with the agent's shell tool; `escalated` asks for more rights than it has."""

    command: str
    escalated: bool = False


@dataclass(frozen=True, kw_only=True)
class Nonsense:
    """Call a tool that does not exist."""


Move = Say | Write | Run | Nonsense


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`moves` are done in order; with `again` the last one is repeated for ever."""

    about: str
    moves: Callable[[Script, str], list[Move]]
    again: bool = False

    def move(self, script: Script, address: str, done: int) -> Move | None:
        """The move after `done` answers of tools; None when all are done."""
        moves = self.moves(script, address)
        if done < len(moves):
            return moves[done]
        return moves[-1] if self.again else None


def _written(script: Script) -> Write:
    return Write(file=script.text("file", FILE), content=script.text("content", CONTENT) + "\n")


def _shell_write(file: str, content: str) -> str:
    return f"printf '%s\\n' {shlex.quote(content)} > {shlex.quote(file)}"


def _several(script: Script, _: str) -> list[Move]:
    file, content = script.text("file", FILE), script.text("content", CONTENT)
    return [
        Write(file=file, content=content + "\n"),
        Run(command=_shell_write(f"by-shell-{file}", content)),
        Run(command="ls"),
        Write(file=f"second-{file}", content=content + "\n"),
    ]


def sleeper(address: str, id: str, seconds: int) -> str:
    """A command that tells the server that it is at work, then sleeps; one agent refuses a bare `sleep`."""
    knock = f'urllib.request.urlopen("{address}/tool/{id}", timeout=10).read()'
    program = f"import time, urllib.request; {knock}; time.sleep({seconds})"
    return f"python3 -c {shlex.quote(program)}"


def _sleeping(script: Script, address: str) -> list[Move]:
    return [Run(command=sleeper(address, script.id, script.number("seconds", SLEEP_SECONDS)))]


def _pausing(script: Script, address: str) -> list[Move]:
    return [
        Run(command=sleeper(address, script.id, script.number("seconds", PAUSE_SECONDS))),
        _written(script),
    ]


def _leaving(script: Script, _: str) -> list[Move]:
    """A process in a session of its own, with nothing open that the agent could wait for."""
    program = f"import time; time.sleep({script.number('seconds', SLEEP_SECONDS)})"
    left = f"setsid python3 -c {shlex.quote(program)} >/dev/null 2>&1 </dev/null &"
    return [Run(command=f"{left} {_shell_write(script.text('file', FILE), script.text('content', CONTENT))}")]


def _huge(script: Script, _: str) -> list[Move]:
    size = script.number("bytes", HUGE_BYTES)
    return [Say(text=_SENTENCE * (size // len(_SENTENCE) + 1))]


def _shell(script: Script, _: str) -> list[Move]:
    default = _shell_write(script.text("file", FILE), script.text("content", CONTENT))
    return [Run(command=script.text("command", default))]


SCENARIOS: Mapping[str, Scenario] = {
    "text": Scenario(about="answers with a text and changes nothing", moves=lambda *_: []),
    "edit": Scenario(
        about="writes one file with the agent's own tool", moves=lambda script, _: [_written(script)]
    ),
    "tools": Scenario(about="several turns: writes, runs a command, looks, writes again", moves=_several),
    "shell": Scenario(about="runs a command, `command` or one that writes the file", moves=_shell),
    "sleep": Scenario(
        about="runs a command that knocks at the server (`/tool/ID`) and then takes `seconds` (600)",
        moves=_sleeping,
        again=True,
    ),
    "pause": Scenario(about="runs such a command for `seconds` (4), then writes the file", moves=_pausing),
    "leave": Scenario(
        about="writes the file and leaves a process behind, for `seconds` (600)", moves=_leaving
    ),
    "loop": Scenario(
        about="runs a command again and again, for ever",
        moves=lambda *_: [Run(command="echo again")],
        again=True,
    ),
    "escalate": Scenario(
        about="as `edit`, asking for more rights than the agent was started with where its tool takes that",
        moves=lambda script, _: [replace(_written(script), escalated=True)],
    ),
    "badtool": Scenario(about="calls a tool that does not exist", moves=lambda *_: [Nonsense()]),
    "badargs": Scenario(
        about="calls the right tool with arguments that are no JSON",
        moves=lambda script, _: [_written(script)],
    ),
    "huge": Scenario(about="answers with a text of `bytes` (2 MiB)", moves=_huge),
    "slow": Scenario(
        about="answers with a text, a piece at a time, in `seconds` (5)",
        moves=lambda *_: [Say(text=_SENTENCE * 4)],
    ),
    "e400": Scenario(about="HTTP 400, in the vendor's words; so the next five", moves=lambda *_: []),
    "e401": Scenario(about="HTTP 401: not signed in", moves=lambda *_: []),
    "e403": Scenario(about="HTTP 403: not allowed", moves=lambda *_: []),
    "e429": Scenario(about="HTTP 429 with retry-after `after` (1 s)", moves=lambda *_: []),
    "e500": Scenario(about="HTTP 500", moves=lambda *_: []),
    "e529": Scenario(about="HTTP 529: overloaded", moves=lambda *_: []),
    "malformed": Scenario(about="HTTP 200 with bytes that are no answer", moves=lambda *_: []),
    "cut": Scenario(
        about="begins a streamed answer and drops the connection",
        moves=lambda *_: [Say(text=_SENTENCE * 4)],
    ),
    "hang": Scenario(about="takes the request and does not answer for `seconds` (600)", moves=lambda *_: []),
}
