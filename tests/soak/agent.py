"""An agent that keeps a diary: run as `python -I -S agent.py DIARIES`, its script on standard input.

The script is the line of the prompt that begins with `soak:`, a JSON list of actions. Whatever is
true is written down at once in `DIARIES/<attempt id>`, a file that no bridge knows of: that it was
started, each process it left, each token once that is in a file, each commit, and its end.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

DIARY = -1


def note(**fact: object) -> None:
    """One line, in one write."""
    os.write(DIARY, json.dumps(fact).encode() + b"\n")


def identity(pid: int) -> dict[str, int]:
    """A pid and when it began: together they name one process for ever."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return {"pid": pid, "ticks": int(file.read().rpartition(")")[2].split()[19])}


def edit(path: str, token: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        file.write(token + "\n")
    note(wrote=path, token=token)


def commit(message: str) -> None:
    who = ("-c", "user.name=Agent", "-c", "user.email=agent@example.invalid")
    subprocess.run(["git", "add", "-A"], check=True)
    subprocess.run(["git", *who, "commit", "-q", "-m", message], check=True)
    found = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    note(committed=found.stdout.strip())


def child() -> None:
    """A tool in a session of its own, which keeps our output open."""
    tool = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    note(child=identity(tool.pid))


def daemonise() -> None:
    """A tool that nobody is the parent of."""
    if (first := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            note(child=identity(os.getpid()))
            time.sleep(1000)
        os._exit(0)
    os.waitpid(first, 0)


def say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


def flood(size: int) -> None:
    line = b"It has a great deal to say, and says it again and again.\n" * 64
    while size > 0:
        size -= os.write(1, line)


def fragment(**said: object) -> None:
    with open(os.environ["CODENCER_RESULT_FILE"], "w", encoding="utf-8") as file:
        json.dump(said, file)


def hang() -> None:
    while True:
        signal.pause()


def main(folder: str) -> int:
    global DIARY  # noqa: PLW0603  (one diary in one process)
    attempt = os.environ["CODENCER_LAUNCH"].split("/")[1]
    DIARY = os.open(os.path.join(folder, attempt), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    note(start=identity(os.getpid()))
    script = next(line for line in sys.stdin if line.startswith("soak:"))
    known: dict[str, Callable[..., object]] = {
        "edit": edit,
        "commit": commit,
        "child": child,
        "daemonise": daemonise,
        "say": say,
        "flood": flood,
        "sleep": time.sleep,
        "hang": hang,
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "deaf": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        "warn": lambda text: fragment(warnings=[text]),
        "ask": lambda text: fragment(questions=[text], needs_human_decision=True),
        "fail": sys.exit,
    }
    for name, *arguments in json.loads(script.removeprefix("soak:")):
        known[name](*arguments)
    note(end=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
