"""What hook, agent and validations of a whole attempt see in a sandbox, and which level its result names."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codencer.model.launch import TrustLevel
from codencer.model.step import StepState
from codencer.model.validation import ValidationState
from codencer.process.sandbox import Sandbox

Open = Callable[..., Any]

LOOK = 'for each in "$@"; do test -e "$each" && echo "sees $each"; done; true'
BROKEN = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    top = make_repo({"code.txt": "broken\n", ".gitignore": "data\nnode_modules\n"})
    for name in ("data/big", "node_modules/left-pad"):
        (top / name).parent.mkdir()
        (top / name).write_text(name)
    return top


@pytest.fixture
def broken_bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on bubblewrap is there and does not work."""

    def break_it() -> None:
        program = tmp_path / "broken" / "bwrap"
        program.parent.mkdir()
        program.write_text(BROKEN)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    return break_it


def configure(top: Path, hook: str = "", **agent: object) -> None:
    folder = top / ".codencer"
    folder.mkdir()
    lines = [f"{key} = {json.dumps(value)}" for key, value in agent.items()]
    (folder / "config.toml").write_text("\n".join(["[adapters.looker]", *lines, ""]))
    provisioning = {"symlinks": ["node_modules"], "hooks": {"post_create": hook}}
    (folder / "workspace.json").write_text(json.dumps({"provisioning": provisioning}))


async def said(house: Any, step: Any, name: str) -> str:
    found = {each.name: each for each in await house.engine.artifacts(step.id)}
    _, path = await house.engine.artifact(found[name].id)
    return str(path.read_text())


async def test_all_launches_see_what_they_are_given_and_no_more(
    repo: Path, open_engine: Open, home: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    for name in (".ssh", "cache", ".config/codencer"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_text("x")
    shown = [
        str(repo / "data" / "big"),
        str(home / "cache"),
        "node_modules/left-pad",
        str(home / ".gitconfig"),
    ]
    kept = [
        str(repo / "code.txt"),
        str(repo / ".git/codencer/codencer.db"),
        str(home / ".ssh/file"),
        str(home / ".config/codencer/file"),
    ]
    places = " ".join([*shown, *kept])
    look = f"set -- {places}; {LOOK}; echo here >> ~/cache/all"
    configure(
        repo,
        hook=look,
        command=["/bin/sh", "-c", look, "sh"],
        read=["data", "~/.config", str(repo / ".git" / "codencer")],
        write=["~/cache"],
    )
    check = {"name": "check", "command": look}
    async with open_engine(repo, sandbox="bwrap") as house:
        step = await house.run_to_end(
            "look", is_simulation=False, adapter_profile="looker", validations=[check]
        )
        result = await house.engine.result(step.id)
        assert (step.state, result.trust_level) == (StepState.COMPLETED, TrustLevel.SANDBOXED)
        for name in ("hook-1.stdout.log", "stdout.log", "validation-1.stdout.log"):
            assert (await said(house, step, name)).splitlines() == [f"sees {each}" for each in shown], name
    assert (home / "cache" / "all").read_text() == "here\n" * 3


async def test_the_agents_git_works_on_borrowed_objects(
    repo: Path, open_engine: Open, tmp_path: Path, sandbox: Sandbox
) -> None:
    shared = tmp_path / "shared"
    clone = ["git", "clone", "--quiet", "--shared", str(repo), str(shared)]
    await asyncio.to_thread(subprocess.check_call, clone)
    work = (
        "git log --format=%s; git show HEAD:code.txt; echo x > new.txt; git add new.txt; git commit -qm done"
    )
    async with open_engine(shared, sandbox="bwrap") as house:
        step = await house.run_to_end(f"simulate: run {work}")
        result = await house.engine.result(step.id)
    assert (step.state, [each.path for each in result.files_changed]) == (StepState.COMPLETED, ["new.txt"])


async def test_where_it_does_not_work_auto_is_plain(
    repo: Path, open_engine: Open, broken_bwrap: Callable[[], None]
) -> None:
    broken_bwrap()
    async with open_engine(repo) as house:
        step = await house.run_to_end("simulate: write code.txt fixed")
        result = await house.engine.result(step.id)
    assert (step.state, result.trust_level) == (StepState.COMPLETED, TrustLevel.PLAIN)


async def test_where_it_does_not_work_bwrap_starts_nothing(
    repo: Path, open_engine: Open, tmp_path: Path, broken_bwrap: Callable[[], None]
) -> None:
    configure(repo, hook=f"touch {tmp_path}/started", command=["/bin/sh", "-c", f"touch {tmp_path}/started"])
    broken_bwrap()
    async with open_engine(repo, sandbox="bwrap") as house:
        step = await house.run_to_end("look", is_simulation=False, adapter_profile="looker")
    assert step.state is StepState.FAILED_BRIDGE
    assert "sandbox = bwrap" in step.summary
    assert "No permissions to create new namespace" in step.summary
    assert not (tmp_path / "started").exists()


async def test_a_validation_is_never_less_confined_than_its_agent(
    repo: Path, open_engine: Open, tmp_path: Path, sandbox: Sandbox, broken_bwrap: Callable[[], None]
) -> None:
    agent = "import os, time\nopen('ready', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    (tmp_path / "agent.py").write_text(agent)
    configure(repo, command=[sys.executable, str(tmp_path / "agent.py")])
    check = {"name": "check", "command": f"touch {tmp_path}/judged"}
    async with open_engine(repo) as house:
        step = await house.submit("wait", is_simulation=False, adapter_profile="looker", validations=[check])
        await house.reached(step, "agent.started")
        [attempt] = await house.engine.attempts(step.id)
    broken_bwrap()
    async with open_engine(repo) as house:
        (Path(attempt.workspace) / "go").touch()
        ended = await house.settled(step)
        result = await house.engine.result(step.id)
    assert (ended.state, result.trust_level) == (StepState.FAILED_BRIDGE, TrustLevel.SANDBOXED)
    assert "its agent ran in a sandbox, which is gone" in ended.summary
    assert [each.state for each in result.validations] == [ValidationState.NOT_RUN]
    assert not (tmp_path / "judged").exists()


async def test_a_missing_program_reads_as_one(repo: Path, open_engine: Open, sandbox: Sandbox) -> None:
    configure(repo, command=["./gone"])
    async with open_engine(repo, sandbox="bwrap") as house:
        step = await house.run_to_end("look", is_simulation=False, adapter_profile="looker")
    assert step.state is StepState.FAILED_ADAPTER
    assert "./gone" in step.summary


async def test_a_variable_that_names_itself_opens_nothing(
    repo: Path, open_engine: Open, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN", "${OWN}")
    configure(repo, command=["true"], env=["OWN"], write=["${OWN}/cache/"])
    async with open_engine(repo, sandbox="bwrap") as house:
        step = await house.run_to_end("look", is_simulation=False, adapter_profile="looker")
    assert step.state is StepState.COMPLETED
