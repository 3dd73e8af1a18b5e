"""A real agent under the bridge, and the same one started bare: what the bridge adds, alone and to eight.

Both do the same edit for the same scripted model, with the same command line and environment; the bare
one in a clone that was made before. The agents are a few quick ones that `make test-agents` installs.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from tests.agents.catalogue import needed, programs

from bench.bridge import Bridge, bridge
from bench.figures import Figure, paired, spread
from bench.scene import Scene, Unmeasured
from codencer.adapters import load as load_adapter
from codencer.client.daemon import path
from codencer.model.codec import decode
from codencer.model.launch import Launch
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec
from codencer.testing.conformance.cases import NAMES
from codencer.testing.conformance.goals import goal
from codencer.testing.conformance.profile import Profile, filled, load
from codencer.testing.model_server import ModelServer, Script

AGENTS = ("codex", "claude")
ROUNDS, QUICK_ROUNDS = 15, 3
CROWDS, QUICK_CROWDS = 5, 1
AT_ONCE = 8
GOAL_MS = 100.0
GOAL_RATIO = 1.5
PATIENCE_SECONDS = 120


def measure(scene: Scene, quick: bool) -> list[Figure]:
    known = programs()
    present = [name for name in AGENTS if all(each.installed for each in needed(known[name], known))]
    return [figure for name in present for figure in _measure(scene, name, quick)]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One agent, with its model and all that is in its environment."""

    profile: Profile
    scene: Scene
    server: ModelServer
    top: Path
    numbers: Iterator[int]

    def prompt(self, meeting: str = "") -> str:
        parameters = {"id": f"bench-{next(self.numbers)}"}
        if meeting:
            parameters |= {"meet": meeting, "count": str(AT_ONCE)}
        return goal(self.profile, Script(name="edit", parameters=parameters), self.server.url)

    def clone(self) -> Path:
        folder = self.scene.folder / f"clone-{self.profile.adapter}-{next(self.numbers)}"
        self.scene.git(self.top, "clone", "--quiet", "--shared", "--no-hardlinks", str(self.top), str(folder))
        return folder


def _measure(scene: Scene, name: str, quick: bool) -> Iterator[Figure]:
    top = scene.repository(50)
    with ModelServer() as server:
        profile = load(name, NAMES)
        place = _furnished(scene, profile, server.url)
        stage = Stage(profile=profile, scene=place, server=server, top=top, numbers=count())
        settings = {"CODENCER_MAX_PARALLEL": str(AT_ONCE)}
        with bridge(place, top, settings) as running:
            _bridged(stage, running, 1), _bare(stage, 1)  # the first ones fill caches
            alone = _rounds(stage, running, 1, QUICK_ROUNDS if quick else ROUNDS)
            crowds = _rounds(stage, running, AT_ONCE, QUICK_CROWDS if quick else CROWDS)
    added = tuple((ours - bare) * 1000 for ours, bare in alone)
    yield Figure(
        group="agents",
        name=f"{name}, one edit: what the bridge adds",
        value=median(added),
        unit="ms",
        goal=GOAL_MS,
        beside=f"{spread(added)}; {paired(alone).beside('s')}",
        samples=added,
    )
    together = paired(crowds)
    yield Figure(
        group="agents",
        name=f"{name}, {AT_ONCE} at a time, to {AT_ONCE} bare ones",
        value=together.ratio,
        unit="x",
        goal=GOAL_RATIO,
        beside=together.beside("s"),
        samples=together.ratios,
    )


def _furnished(scene: Scene, profile: Profile, url: str) -> Scene:
    """The scene with what the agent needs to find itself and its model."""
    home, known = Path(scene.environ["HOME"]), programs()
    for file, text in profile.files.items():
        target = Path(filled(file, url=url, home=home))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(filled(text, url=url, home=home), encoding="utf-8")
    given = {name: filled(value, url=url, home=home) for name, value in profile.environment.items()}
    found = [str(each.bin) for each in needed(known[profile.program], known)]
    way = os.pathsep.join([*found, scene.environ["PATH"]])
    return Scene(folder=scene.folder, environ={**scene.environ, **given, "PATH": way})


def _rounds(stage: Stage, running: Bridge, agents: int, rounds: int) -> list[tuple[float, float]]:
    """Seconds of both for the same work, each time the other one first."""
    found = []
    for number in range(rounds):
        if number % 2:
            bare = _bare(stage, agents)
            found.append((_bridged(stage, running, agents), bare))
        else:
            ours = _bridged(stage, running, agents)
            found.append((ours, _bare(stage, agents)))
    return found


def _meeting(stage: Stage, agents: int) -> str:
    return f"crowd-{next(stage.numbers)}" if agents > 1 else ""


def _bridged(stage: Stage, running: Bridge, agents: int) -> float:
    """Seconds from the first submission to the last verdict."""
    meeting = _meeting(stage, agents)
    began = time.monotonic()
    steps = [running.submit(stage.profile.adapter, stage.prompt(meeting)) for _ in range(agents)]
    seconds = max(running.watch.wait(step, "step.settled")[0] for step in steps) - began
    for step in steps:
        state = running.daemon.get(path("steps", step), {"live": False})["state"]
        if state != "completed":
            raise Unmeasured(f"a step of {stage.profile.adapter} is {state}")
        running.watch.wait(step, "workspace.released")
    running.calm()
    return seconds


def _bare(stage: Stage, agents: int) -> float:
    """Seconds from the first start to the last end, with the folders made before."""
    meeting = _meeting(stage, agents)
    clones = [stage.clone() for _ in range(agents)]
    launches = [_launch(stage, clone, stage.prompt(meeting)) for clone in clones]
    began = time.monotonic()
    processes = [_start(stage, *each) for each in zip(launches, clones, strict=True)]
    for process in processes:
        process.wait(PATIENCE_SECONDS)
    seconds = time.monotonic() - began
    if not all((clone / "hello.txt").is_file() for clone in clones):
        raise Unmeasured(f"{stage.profile.adapter}, started bare, did not do the edit")
    return seconds


def _launch(stage: Stage, clone: Path, prompt: str) -> Launch:
    """What the adapter would have the bridge start."""
    settings = decode(AdapterSettings, {"name": stage.profile.adapter, **stage.profile.settings})
    git = clone / ".git"
    (git / "prompt.txt").write_text(prompt)
    assignment = Assignment(
        task=TaskSpec(goal=prompt),
        prompt=prompt,
        workspace=clone,
        task_file=git / "task.json",
        prompt_file=git / "prompt.txt",
        result_file=git / "result.json",
        report_file=git / "report.json",
    )
    return load_adapter(stage.profile.adapter, settings).launch(assignment)


def _start(stage: Stage, launch: Launch, clone: Path) -> "subprocess.Popen[bytes]":
    git = clone / ".git"
    with (
        (git / "prompt.txt").open("rb") as prompt,
        (git / "stdout").open("wb") as out,
        (git / "stderr").open("wb") as err,
    ):
        return subprocess.Popen(
            launch.argv,
            cwd=clone,
            env=stage.scene.environ | launch.env,
            stdin=prompt,
            stdout=out,
            stderr=err,
        )
