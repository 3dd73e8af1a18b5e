"""Rules of the house that are neither size nor the direction of imports.

Each outside thing has one door: processes, git, SQL. No room sleeps where it could wait for an
event. The project's files speak of the project alone.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "src" / "codencer"

STARTS_PROCESSES = re.compile(
    r"(subprocess\.(run|Popen|call|check_\w+)|os\.(fork|forkpty|system|popen|posix_spawnp?|spawn\w+)"
    r"|pty\.\w+|multiprocessing\.\w+|asyncio\.create_subprocess_\w+|anyio\.(run|open)_process)"
)
SPEAKS_SQL = re.compile(r"(apsw|sqlite3)\..*")
SLEEPS = re.compile(r"(time|asyncio|anyio)\.sleep")
DOORS = {
    # `testing` holds programs that play an agent, the demo plays its user, and the client starts the
    # daemon, which is what has the door.
    STARTS_PROCESSES: ("process/", "supervisor.py", "relay.py", "testing/", "cli/demo", "client/start.py"),
    SPEAKS_SQL: ("ledger/",),
    # Nothing tells a client that a daemon which went away is back: it waits longer each time. And where
    # the kernel has no inotify instance left, a growing file is looked at now and then. Nor does anything
    # tell that a full disk has room again: an attempt that was held up is entered again after a while.
    SLEEPS: ("testing/", "cli/demo_files/", "client/events.py", "process/watch.py", "engine/scheduler.py"),
}

TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".sql", ".txt", ".cfg", ".sh", ""}
FOREIGN = {
    "a path of one machine": re.compile(r"(?<![\w.~}>*\]\)-])/(work|root|Users)/\w"),
    "a package registry": re.compile(r"(py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(org|com))"),
    "a number of a to-do list": re.compile(r"\bissue #?\d", re.IGNORECASE),
    "unfinished work": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
    "a section banner": re.compile(r"^\s*#\s*[-=*#~]{4,}", re.MULTILINE),
}


def uses(path: Path) -> Iterator[tuple[int, str]]:
    """Every dotted name a module uses, whole, however it was imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {each.asname or each.name: each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, _, rest = ast.unparse(node).partition(".")
            yield node.lineno, known[first] + (f".{rest}" if rest else "") if first in known else ""


@pytest.mark.parametrize("rule", DOORS, ids=["processes", "sql", "sleep"])
def test_each_outside_thing_has_one_door(rule: re.Pattern[str]) -> None:
    trespassers = [
        f"{path.relative_to(PACKAGE)}:{line} {used}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(DOORS[rule])
        for line, used in uses(path)
        if rule.fullmatch(used)
    ]
    assert trespassers == []


def test_git_is_called_in_the_workspace_room_only() -> None:
    callers = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(("workspace/", "testing/", "cli/demo"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple)
        and len(node.elts) > 1
        and isinstance(node.elts[0], ast.Constant)
        and node.elts[0].value == "git"
    ]
    assert callers == []


def own_files() -> list[Path]:
    """The files of the project: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [TOP / name for name in sorted(listed.stdout.split("\0")) if name and (TOP / name).is_file()]


@pytest.mark.parametrize("what", FOREIGN)
def test_the_files_speak_of_the_project_alone(what: str) -> None:
    found = [
        f"{path.relative_to(TOP)}: {match[0].strip()!r}"
        for path in own_files()
        if path.suffix in TEXT
        for match in FOREIGN[what].finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
