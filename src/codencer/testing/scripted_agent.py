"""A scripted agent: a real program that does in its current directory what its task says.

Each line `simulate: VERB ARGUMENTS` of the goal is one action, done in order; the environment
variable CODENCER_SCRIPT replaces them. All lines are checked before the first is done.
Standard library only and self-contained: it runs under `python -I -S`. The verbs are
documented in docs/simulation.md. `--resume NAME.NUMBER` goes on after so many of the actions.
Exit codes of its own: 64 a directive is wrong, 65 one could not be done, 66 there is no
readable task, 75 what it plays is an agent that cannot go on. What an agent says of itself (tokens,
its conversation, its error) is a line of JSON after MARK.
"""

import os
import sys
import time

TYPE_CHECKING = False  # what the type checker takes for true; importing typing would double our start time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

WRONG, UNDONE, NO_TASK, EXHAUSTED = 64, 65, 66, 75
MARK = "scripted agent: "
PREFIX = "simulate:"
BLOCK = (
    b"The scripted agent has a great deal to say, and says it again and again.".ljust(79, b".") + b"\n"
) * 800
IDENTITY = {"NAME": "Scripted Agent", "EMAIL": "scripted-agent@example.invalid"}


class Stop(Exception):
    """The script ends here with an exit code and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Verb:
    """`least` and `most` count arguments; a raw verb gets the rest of its line as one."""

    def __init__(
        self,
        do: "Callable[..., None]",
        usage: str,
        least: int = 0,
        most: int | None = None,
        raw: bool = False,
    ) -> None:
        self.do, self.usage, self.least, self.most, self.raw = do, usage, least, most, raw


def say(*words: str) -> None:
    sys.stdout.write(unescaped(" ".join(words)) + "\n")
    sys.stdout.flush()


def unescaped(text: str) -> str:
    """Return `text` with the two characters `\\n` as a newline, `\\t` as a tab, `\\\\` as one backslash."""
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n").replace("\\t", "\t") for part in parts)


def save(path: str, text: str, mode: str = "w") -> None:
    """Write `text` byte for byte, making the folder first."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, mode, encoding="utf-8", newline="") as file:
        file.write(text)


def content(words: tuple[str, ...]) -> str:
    """Return the words as the text of a file: it ends in a newline unless it is empty."""
    text = unescaped(" ".join(words))
    return text if text.endswith("\n") or not text else text + "\n"


def write(path: str, *words: str) -> None:
    save(path, content(words))
    say("wrote", path)


def append(path: str, *words: str) -> None:
    save(path, content(words), "a")
    say("appended to", path)


def replace(path: str, old: str, new: str) -> None:
    old, new = unescaped(old), unescaped(new)
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    if text.count(old) != 1:
        raise Stop(UNDONE, f"{path} contains {old!r} {text.count(old)} times; it must be there once")
    save(path, text.replace(old, new))
    say("edited", path)


def delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path)
    else:
        os.unlink(path)
    say("deleted", path)


def chmod(mode: str, path: str) -> None:
    os.chmod(path, int(mode, 8))
    say("changed the mode of", path)


def symlink(path: str, target: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    os.symlink(target, path)
    say("linked", path)


def exit_code(*argv: str) -> int:
    """Run a program and wait for it; one killed by a signal has the code a shell gives it."""
    import subprocess

    code = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode
    return code if code >= 0 else 128 - code


def run(command: str) -> None:
    if code := exit_code("/bin/sh", "-c", command):
        raise Stop(code, f"command failed: {command}")


def commit(*words: str) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        for key, value in IDENTITY.items():
            os.environ.setdefault(f"GIT_{role}_{key}", value)
    if exit_code("git", "add", "-A") or exit_code(
        "git", "commit", "-q", "--allow-empty", "-m", " ".join(words)
    ):
        raise Stop(UNDONE, "git could not commit")
    say("committed")


_said: dict[str, list[str]] = {}


def tell(key: str, text: str) -> None:
    """Add `text` to a list of the result fragment and write it at once, so that a crash keeps it."""
    import json

    _said.setdefault(key, []).append(text)
    fragment(json.dumps({**_said, "needs_human_decision": "questions" in _said}))


def fragment(text: str) -> None:
    path = os.environ.get("CODENCER_RESULT_FILE")
    if not path:
        raise Stop(UNDONE, "CODENCER_RESULT_FILE is not set: there is nowhere to write a result fragment")
    save(path, text)


def ask(*words: str) -> None:
    tell("questions", " ".join(words))
    say("I have a question:", *words)


def warn(*words: str) -> None:
    tell("warnings", " ".join(words))
    say("warning:", *words)


_session: list[str] = []


def session(name: str) -> None:
    """From here on the conversation has a name and can be taken up again."""
    _session[:] = [name]
    say("this is the conversation", name)


def report(**facts: object) -> None:
    import json

    sys.stdout.write(MARK + json.dumps(facts) + "\n")
    sys.stdout.flush()


def spend(tokens: str, microusd: str) -> None:
    report(tokens=int(tokens), microusd=int(microusd))
    say("spent", tokens, "tokens")


def exhaust(seconds: str = "", kind: str = "quota") -> "NoReturn":
    """End as an agent does that cannot go on for so long; without a number it does not know how long."""
    resets_at = int((time.time() + float(seconds)) * 1_000_000) if seconds else None
    name = f"{_session[0]}.{_done[0]}" if _session else None
    report(error=kind, resets_at=resets_at, session=name)
    raise Stop(EXHAUSTED, f"no more {kind}")


def overload(seconds: str = "") -> "NoReturn":
    exhaust(seconds, "overload")


def sleep(seconds: str) -> None:
    time.sleep(float(seconds))


def hang() -> "NoReturn":
    import signal

    say("hanging")
    while True:
        signal.pause()


def flood(size: str) -> None:
    """`1.5M` is not understood, `1500K` is: a whole number and at most one letter."""
    scale = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(size[-1].upper())
    left = int(size[:-1]) * scale if scale else int(size)
    while left > 0:
        left -= os.write(1, BLOCK[:left])


def fail(code: str = "1") -> "NoReturn":
    raise Stop(int(code), "failing, as the script says")


def crash(name: str = "KILL") -> None:
    import signal

    say("crashing")
    os.kill(os.getpid(), signal.Signals[f"SIG{name.upper()}"])


def ignore_term() -> None:
    import signal

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say("ignoring polite signals")


def child() -> None:
    """Leave a process in a session of its own, with our output still open in it, as tools of agents do."""
    import subprocess

    program = "import signal\nwhile True: signal.pause()"
    left = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.DEVNULL, start_new_session=True
    )
    say(f"left process {left.pid} behind")


VERBS = {
    "write": Verb(write, "write PATH TEXT", 1),
    "append": Verb(append, "append PATH TEXT", 2),
    "replace": Verb(replace, "replace PATH OLD NEW", 3, 3),
    "delete": Verb(delete, "delete PATH", 1, 1),
    "chmod": Verb(chmod, "chmod MODE PATH", 2, 2),
    "symlink": Verb(symlink, "symlink PATH TARGET", 2, 2),
    "run": Verb(run, "run COMMAND", 1, raw=True),
    "commit": Verb(commit, "commit MESSAGE", 1),
    "say": Verb(say, "say TEXT"),
    "ask": Verb(ask, "ask QUESTION", 1),
    "warn": Verb(warn, "warn TEXT", 1),
    "fragment": Verb(fragment, "fragment JSON", 1, raw=True),
    "session": Verb(session, "session NAME", 1, 1),
    "spend": Verb(spend, "spend TOKENS MICROUSD", 2, 2),
    "quota": Verb(exhaust, "quota [SECONDS]", 0, 1),
    "overload": Verb(overload, "overload [SECONDS]", 0, 1),
    "sleep": Verb(sleep, "sleep SECONDS", 1, 1),
    "hang": Verb(hang, "hang", 0, 0),
    "flood": Verb(flood, "flood BYTES[K|M|G]", 1, 1),
    "fail": Verb(fail, "fail [CODE]", 0, 1),
    "crash": Verb(crash, "crash [SIGNAL]", 0, 1),
    "ignore-term": Verb(ignore_term, "ignore-term", 0, 0),
    "child": Verb(child, "child", 0, 0),
}


def parsed(line: str) -> tuple[Verb, list[str]]:
    """Return the verb of a directive and its arguments, or stop with what is wrong."""
    name, _, rest = line.partition(" ")
    verb, rest = VERBS.get(name), rest.strip()
    if verb is None:
        raise Stop(WRONG, f"unknown directive {name!r}; known: {', '.join(VERBS)}")
    if verb.raw and rest[:1] not in ("'", '"'):
        arguments = [rest] if rest else []
    else:
        arguments = words_of(rest)
    if len(arguments) < verb.least or (verb.most is not None and len(arguments) > verb.most):
        raise Stop(WRONG, f"wrong number of arguments in {line!r}; expected: {verb.usage}")
    return verb, arguments


def words_of(text: str) -> list[str]:
    if not any(mark in text for mark in "'\"\\"):
        return text.split()
    import shlex

    try:
        return shlex.split(text)
    except ValueError as problem:
        raise Stop(WRONG, f"{text!r} cannot be split into words: {problem}") from problem


def read_task() -> tuple[str, str]:
    """Return goal and title: from the task file, or else both from the prompt on stdin."""
    path = os.environ.get("CODENCER_TASK_FILE")
    try:
        if not path:
            return sys.stdin.buffer.read().decode("utf-8", "replace"), ""
        import json

        with open(path, encoding="utf-8") as file:
            task = json.load(file)
        return str(task["goal"]), str(task.get("title") or "")
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise Stop(NO_TASK, f"no readable task at {path or 'stdin'}: {problem!r}") from problem


def script() -> tuple[list[str], str]:
    """Return the directives, and a line about the task for when there are none."""
    behaviour = os.environ.get("CODENCER_SCRIPT", "").strip()
    if behaviour:
        lines = [line.strip() for line in behaviour.split("\n")]
        return [line.removeprefix(PREFIX).strip() for line in lines if line], ""
    goal, title = read_task()
    lines = [line.strip() for line in goal.split("\n")]
    found = [line[len(PREFIX) :].strip() for line in lines if line.startswith(PREFIX)]
    about = title or next((line for line in lines if line), "")
    return found, about[:200]


_done = [0]
"""How many actions were begun."""


def taken_up() -> int:
    """How many actions an earlier launch has done, in the conversation that goes on."""
    if sys.argv[1:2] != ["--resume"]:
        return 0
    name, _, number = sys.argv[2].rpartition(".")
    _session[:] = [name]
    return int(number)


def main() -> int:
    try:
        directives, about = script()
        steps = [parsed(line) for line in directives]
        if not steps:
            append("SIMULATION.md", f"- {about}".replace("\\", "\\\\"))
        _done[0] = taken_up()
        for verb, arguments in steps[_done[0] :]:
            _done[0] += 1
            try:
                verb.do(*arguments)
            except (OSError, ValueError, KeyError) as problem:
                raise Stop(UNDONE, f"could not do `{verb.usage}`: {problem}") from problem
    except Stop as stop:
        sys.stderr.write(f"scripted agent: {stop}\n")
        return stop.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
