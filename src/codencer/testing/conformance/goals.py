"""A goal that makes an agent do a scenario, whichever way it is told."""

import shlex
from collections.abc import Callable, Mapping

from codencer.testing.conformance.profile import Profile, Speaks
from codencer.testing.model_server import Script
from codencer.testing.model_server.scenarios import CONTENT, FILE, HUGE_BYTES, PAUSE_SECONDS, sleeper

WORDS = "Do what the model says, and nothing else."


def goal(profile: Profile, script: Script, address: str, words: str = WORDS) -> str:
    """The text of a goal; the script comes last, so what arrives of it shows that all has arrived."""
    if profile.speaks is not Speaks.DIRECTIVES:
        return f"{words}\n\n{script}\n"
    lines = [
        f"simulate: {line}" for line in _met(script, address) + _DIRECTIVES[script.name](script, address)
    ]
    return "\n".join([words, *lines]) + "\n"


def meeting(address: str, script: Script) -> str:
    """A command that ends when all of a meeting have come."""
    at = f"{address}/meet/{script.text('meet', '')}/{script.number('count', 2)}/{script.id}"
    program = f'import urllib.request; urllib.request.urlopen("{at}", timeout=180).read()'
    return f"python3 -c {shlex.quote(program)}"


def _met(script: Script, address: str) -> list[str]:
    return [f"run {meeting(address, script)}"] if script.text("meet", "") else []


def _write(script: Script, prefix: str = "") -> str:
    file = prefix + script.text("file", FILE)
    return f"write {shlex.quote(file)} {shlex.quote(script.text('content', CONTENT))}"


_DIRECTIVES: Mapping[str, Callable[[Script, str], list[str]]] = {
    "text": lambda *_: ["say Done as scripted: text."],
    "edit": lambda script, _: [_write(script), "say Done as scripted: edit."],
    "tools": lambda script, _: [
        *(_write(script, prefix) for prefix in ("", "by-shell-", "second-")),
        "say Done as scripted: tools.",
    ],
    "shell": lambda script, _: [_write(script), "say Done as scripted: shell."],
    "sleep": lambda script, address: [f"run {sleeper(address, script.id, script.number('seconds', 600))}"],
    "pause": lambda script, address: [
        f"run {sleeper(address, script.id, script.number('seconds', PAUSE_SECONDS))}",
        _write(script),
    ],
    "leave": lambda script, _: ["child", _write(script)],
    "huge": lambda script, _: [f"flood {script.number('bytes', HUGE_BYTES)}"],
    "hang": lambda *_: ["hang"],
    "e500": lambda *_: ["fail 1"],
}
