"""`heron`, the agent that docs/adapters.md writes an adapter for, doing turn by turn what its task says.

The goal is JSON, `{"notes": FOLDER, "turns": [[[VERB, ...], ...], ...]}`. Each start takes the next turn
and notes down in the folder what it was started with. Conversations are kept in its home folder.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def noted(notes: Path) -> int:
    """Keep what this start was given; return its number, from 0."""
    number = len(list(notes.iterdir()))
    given = {"argv": sys.argv[1:], "prompt": sys.stdin.read(), "env": dict(os.environ), "cwd": os.getcwd()}
    (notes / f"{number}.json").write_text(json.dumps(given))
    return number


def conversation(number: int) -> str:
    """The one to go on with, which has to be known, or a new one."""
    known = Path(os.environ["HOME"], ".heron")
    known.mkdir(exist_ok=True)
    if "--resume" not in sys.argv:
        (known / f"h-{number}").touch()
        return f"h-{number}"
    wanted = sys.argv[sys.argv.index("--resume") + 1]
    if not (known / wanted).exists():
        say(type="error", code="session", text=f"there is no conversation {wanted}")
        sys.exit(1)
    return wanted


def do(session: str, verb: str, *words: Any) -> None:
    match verb:
        case "say":
            say(type="text", text=words[0])
        case "print":
            sys.stdout.write(words[0])
            sys.stdout.flush()
        case "write":
            Path(words[0]).write_text(words[1])
            say(type="edit", path=words[0])
        case "wait":
            while not os.path.exists(words[0]):
                time.sleep(0.02)
        case "forget":
            for each in Path(os.environ["HOME"], ".heron").iterdir():
                each.unlink()
        case "end":
            say(type="end", ok=True, summary=words[0], session=session, tokens=[800, 90], microusd=4100)
        case "exit":
            sys.exit(words[0])
        case _:
            sys.exit(f"heron does not know how to {verb}")


def main() -> None:
    task = json.loads(json.loads(Path(os.environ["CODENCER_TASK_FILE"]).read_text())["goal"])
    number = noted(Path(task["notes"]))
    session = conversation(number)
    for verb, *words in task["turns"][number]:
        do(session, verb, *words)


if __name__ == "__main__":
    main()
