"""What an agent says and does, live and afterwards, in the forms a person, a script and an auditor want."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from codencer.client.daemon import Daemon, path
from codencer.client.http import Endpoint
from codencer.errors import InvalidInput

OpenPlace = Callable[[Path, Mapping[str, str]], AbstractContextManager[Any]]
HERON = ("--adapter", "heron")


@pytest.fixture(scope="module")
def aviary(
    open_place: OpenPlace, make_packages: Any, tmp_path_factory: pytest.TempPathFactory, session_home: Path
) -> Iterator[Any]:
    """A place whose daemon knows heron, and a run in it."""
    folder = tmp_path_factory.mktemp("aviary")
    packages = make_packages(folder)
    with open_place(folder / "inner", {}) as place:
        place.env["PYTHONPATH"] += f"{os.pathsep}{packages.site}"
        place.env["PATH"] = f"{packages.bin}{os.pathsep}{place.env['PATH']}"
        # heron and the tests meet in files outside of its workspace.
        place.env["CODENCER_SANDBOX"] = "none"
        place.json("run", "start", "r")
        yield place


TURN = [
    ["say", "I look at \x1b[31mthe tests\x1b[0m first."],
    ["write", "pond.py", "x = 1"],
    ["print", "not JSON at all\n"],
    ["print", '{"type": "text", "text": "cut'],
]
SAID = "I look at the tests first.\n* edited pond.py\nnot JSON at all\n"


def read(place: Any, step: str, **query: Any) -> bytes:
    """The log over HTTP."""
    daemon = Daemon(Endpoint(unix=place.json("instance")["socket"]))
    return b"".join(daemon.pieces(path("steps", step, "logs"), query))


def test_the_forms_of_a_log_live_and_afterwards(aviary: Any, tmp_path: Path, packages: Any) -> None:
    gate = tmp_path / "gate"
    rest = [["wait", str(gate)], ["print", ' off"}\n'], ["end", "Mended."]]
    goal = packages.goal(tmp_path / "notes", [*TURN, *rest])
    step = aviary.json("submit", "r", "--goal", goal, *HERON)["id"]
    with (
        aviary.open("step", "logs", step, "--follow") as reader,
        aviary.open("step", "logs", step, "--follow", "--raw") as raw,
    ):
        assert "".join(reader.stdout.readline() for _ in range(3)) == SAID
        state = aviary.json("step", "state", step)
        assert state["live"]["last_output"] == "not JSON at all"
        assert aviary.run("step", "logs", step).out == SAID, "a line that is not whole yet says nothing"
        assert [each["kind"] for each in aviary.json("step", "logs", step)["events"]] == [
            "message",
            "file_edit",
            "message",
        ]
        gate.touch()
        assert reader.stdout.read() == "cut off\nMended.\n"
        bytes_seen = raw.stdout.read()
        assert reader.wait(30) == raw.wait(30) == 0
    assert aviary.run("step", "wait", step).code == 0
    whole = SAID + "cut off\nMended.\n"
    assert aviary.run("step", "logs", step).out == whole
    assert aviary.run("step", "logs", step, "--follow").out == whole
    assert aviary.run("step", "logs", step, "--raw").out == bytes_seen
    assert "\\u001b[31m" in bytes_seen
    assert aviary.json("step", "logs", step, "--stderr") == {"step": step, "stream": "stderr", "text": ""}
    document = aviary.json("step", "logs", step)
    assert (document["step"], document["stream"], document["left_off"]) == (step, "stdout", 0)
    assert document["events"][1] == {"kind": "file_edit", "text": "pond.py", "data": {}}
    lines = read(aviary, step, format="events", follow=True).splitlines()
    assert [json.loads(line) for line in lines] == document["events"]
    assert read(aviary, step).decode() == bytes_seen
    # From within the last line but one: what begins behind it is told.
    tail = len(bytes_seen) - bytes_seen.index('{"type": "end"') + 3
    assert read(aviary, step, format="text", offset=-tail) == b"Mended.\n"
    for query in (
        {"format": "text", "offset": 5},
        {"format": "events", "stream": "stderr"},
        {"format": "html"},
    ):
        with pytest.raises(InvalidInput):
            read(aviary, step, **query)


def test_the_status_line_shows_words_and_no_json(aviary: Any, tmp_path: Path, packages: Any) -> None:
    gate = tmp_path / "gate"
    turn = [["say", "Patience is a virtue."], ["wait", str(gate)], ["end", "Mended."]]
    leader, follower = pty.openpty()
    shown = b""
    words = ("submit", "r", "--goal", packages.goal(tmp_path / "notes", turn), *HERON, "--wait")
    with subprocess.Popen(
        aviary.command(*words), cwd=aviary.top, env=aviary.env, stderr=follower, stdout=subprocess.PIPE
    ) as process:
        os.close(follower)
        while b"Patience is a virtue." not in shown:
            shown += os.read(leader, 65536)
        gate.touch()
        assert process.wait(30) == 0
    os.close(leader)
    assert b'"type"' not in shown


def test_adapters_and_doctor_name_what_packages_offer(aviary: Any, packages: Any) -> None:
    packages.add("torn", {"torn_one": "import no_such_module"}, {"torn": "torn_one:make"})
    aviary.json("stop")
    before = aviary.env["PYTHONPATH"]
    aviary.env["PYTHONPATH"] = f"{before}{os.pathsep}{packages.site}"
    rows = {each["name"]: each for each in aviary.json("adapters")}
    assert (rows["heron"]["source"], rows["heron"]["usable"]) == ("package codencer-heron 1.0", True)
    assert rows["torn"]["usable"] is False
    assert "package torn 1.0 failed while being imported" in rows["torn"]["problem"]
    table = aviary.run("adapters").out
    for words in ("SIGNED IN", "package codencer-heron 1.0", "no_such_module", "built in"):
        assert words in table
    checks = {each["name"]: each for each in aviary.json("doctor")["checks"]}
    assert (checks["adapter torn"]["ok"], checks["adapter torn"]["needed"]) == (False, False)
    assert "no_such_module" in checks["adapter torn"]["detail"]
    failed = aviary.json("submit", "r", "--goal", "x", "--adapter", "torn", "--wait", code=5)
    assert (failed["state"], failed["agent"]["error_kind"]) == ("failed_adapter", "crash")
    assert "no_such_module" in failed["summary"]
    aviary.env["PYTHONPATH"] = before
