"""Kill the daemon at every failpoint there is: the outcome is as if nothing had happened.

The list of failpoints is derived from the code, and each must be reached by one of the scenarios
below, so a new one cannot go untested. Where a moment comes several times, each time is tried.
"""

import fcntl
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from codencer.errors import Conflict
from codencer.testing.failpoints import names

AT_ONCE = 3
FIXED = "simulate: write code.txt fixed\nsimulate: say fixed"


def work(client: Any) -> None:
    """One task with everything on its way: hook, an agent that commits, two validations."""
    checks = [
        {"name": "fixed", "command": "grep -q fixed code.txt && grep -q SECRET .env && test -f made.txt"},
        {"name": "tidy", "command": "test ! -e mess.txt", "severity": "warning"},
    ]
    goal = f"{FIXED}\nsimulate: commit done\nsimulate: write late.txt x\nsimulate: say done"
    client.settled(client.submit("work", goal, validations=checks))
    client.seen("workspace.released")


def gated(client: Any) -> None:
    """A person is asked, wants another try, and gives up on it."""
    step = client.submit("gated", FIXED, allowed_paths=["docs/**"])
    client.settled(step)
    client.act(step, "retry", feedback="once more")
    client.settled(step)
    client.seen("gate.opened", 2)
    client.change("abort")
    client.seen("workspace.released", 2)


def behind(client: Any) -> None:
    """A task whose base is the outcome of another one."""
    gate = client.pipe("gate")
    client.submit("first", f"simulate: run read x < {gate}\n{FIXED}")
    second = client.submit("second", "simulate: append code.txt more", base="step:first")
    gate.write_text("go\n")
    client.settled(second)
    client.seen("workspace.released", 2)


def cancelled(client: Any) -> None:
    began = client.pipe("began")
    step = client.submit(
        "cancelled", f"simulate: write half.txt x\nsimulate: run echo > {began}\nsimulate: hang"
    )
    began.read_text()
    client.act(step, "cancel")
    client.settled(step)
    client.seen("workspace.released")


def expired(client: Any) -> None:
    """A person removes the snapshot of a failure."""
    step = client.submit("expired", "simulate: write half.txt x\nsimulate: fail")
    client.settled(step)
    client.seen("workspace.released")
    client.collect_garbage(older_than_days=0)
    client.seen("snapshot.expired")


def tried_again(client: Any) -> None:
    """The agent crashes, and its policy has another one go on from what it left."""
    met = client.site.folder / "met"
    crash = f"simulate: run test -e {met} || {{ touch {met}; echo half > half.txt; exit 1; }}"
    client.settled(client.submit("again", f"{crash}\n{FIXED}", policy_bundle="again"))
    client.seen("workspace.released", 2)


def rested(client: Any) -> None:
    """The agent runs out of quota, and goes on with what it was at."""
    goal = f"simulate: session talk\nsimulate: write half.txt x\nsimulate: quota 0.3\n{FIXED}"
    client.settled(client.submit("rested", goal))
    client.seen("workspace.released")


def budgeted(client: Any) -> None:
    """The agent uses more than its run may, is stopped, and goes on when the run is allowed more."""
    more = client.site.folder / "more"
    client.start_run(cost_usd="0.3")
    waits = f"simulate: write half.txt x\nsimulate: spend 9 400000\nsimulate: run test -e {more} || sleep 60"
    step = client.submit("budgeted", f"{waits}\n{FIXED}")
    client.seen("step.retry_planned")
    more.touch()
    client.change("budget", budget={"cost_usd": "5"})
    client.change("resume")
    client.settled(step)
    client.seen("workspace.released", 2)


def strayed(client: Any) -> None:
    """An agent leaves its scope, and is stopped for it at once."""
    (client.site.top / ".codencer" / "config.toml").write_text('scope_watch = "stop"\n')
    goal = "simulate: write docs/a.txt x\nsimulate: write code.txt fixed\nsimulate: sleep 60"
    client.settled(client.submit("strayed", goal, allowed_paths=["docs/**"]))
    client.seen("workspace.released")


def landed(client: Any) -> None:
    """The outcome of a task is brought to a user who is at work, in every form."""
    site = client.site
    step = client.submit("landed", f"{FIXED}\nsimulate: write new.txt x\nsimulate: run rm README.md")
    client.settled(step)
    client.seen("workspace.released")
    (site.top / ".gitignore").write_text("my own words\n")
    (site.top / "mine.txt").write_text("untracked\n")
    place = {"checkout": str(site.top)}
    patch = site.folder / "a.patch"
    client.act(step, "land", form="patch", target=str(patch), **place)
    client.act(step, "land", form="branch", target="side", **place)
    commit = client.act(step, "land", form="commit", **place)["commit"]
    assert client.act(step, "land", form="commit", **place)["already"]
    assert b"+fixed" in patch.read_bytes()
    assert site.git("rev-parse", "HEAD") == commit
    assert (site.top / ".gitignore").read_text() == "my own words\n"
    recorded = [(each["form"], each["target"], each["commit"]) for each in site.recorded("step.landed")]
    assert recorded == [
        ("patch", str(patch), None),
        ("branch", "side", site.git("rev-parse", "side")),
        ("commit", "main", commit),
    ]


def asked(client: Any) -> None:
    """An agent asks a person and waits, and has the bridge write a file."""
    script = "simulate: ask write code.txt fixed\nsimulate: hand new.txt x\nsimulate: say done"
    step = client.submit("asked", script, adapter_profile="two-way")
    client.seen("question.asked")
    client.act(step, "answer", text="allow")
    client.settled(step)
    client.seen("workspace.released")
    [question] = client.get("steps", step, "questions")
    assert (question["state"], question["option"], question["by"]) == ("answered", "allow", "person")
    [log] = client.site.state.glob("artifacts/*/*/*/conversation.log")
    said = [line.split()[-1] for line in log.read_text().splitlines() if line.startswith("bridge ")]
    assert said == ["initialize", "session", "prompt", "answer-1", "answer-2"]


def not_landed(client: Any) -> None:
    """Somebody else is quick: whenever the landing writes its files, the branch moves under it."""
    site = client.site
    commit = "git commit-tree HEAD^{tree} -p HEAD -m meanwhile"
    site.git("config", "filter.quick.smudge", f"cat; git update-ref refs/heads/main $({commit})")
    step = client.submit(
        "not-landed", "simulate: write .gitattributes *.q filter=quick\nsimulate: write x.q x"
    )
    client.settled(step)
    client.seen("workspace.released")
    with suppress(Conflict):
        client.act(step, "land", form="commit", checkout=str(site.top))
    client.seen("step.landing_undone")
    assert site.recorded("step.landed") == []


SCENARIOS: tuple[Callable[[Any], None], ...] = (
    work,
    gated,
    behind,
    cancelled,
    expired,
    tried_again,
    rested,
    budgeted,
    strayed,
    landed,
    not_landed,
    asked,
)
Reference = tuple[dict[str, Any], list[str]]


@pytest.fixture(scope="session")
def undisturbed(ordeal: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reference]:
    """What each scenario leaves, and the failpoints it reaches; found out by one worker for all of them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    several = "PYTEST_XDIST_WORKER" in os.environ
    kept = (folder.parent.parent if several else folder) / "undisturbed.pickle"
    with kept.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.seek(0, os.SEEK_END) == 0:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = pool.map(lambda each: ordeal.undisturbed(folder / each.__name__, each), SCENARIOS)
                names = [each.__name__ for each in SCENARIOS]
                pickle.dump(dict(zip(names, found, strict=True)), file)
        file.seek(0)
        known: dict[str, Reference] = pickle.load(file)
        return known


def test_every_failpoint_is_on_somebodys_way(undisturbed: dict[str, Reference]) -> None:
    assert {name for _, reached in undisturbed.values() for name in reached} == set(names())


@pytest.mark.parametrize("name", ["agent.launching:after", "launch.spawn:after"])
def test_an_agent_that_goes_on_after_a_pause_is_started_once_too(
    ordeal: Any, undisturbed: dict[str, Reference], tmp_path: Path, name: str
) -> None:
    outcome, reached = undisturbed["rested"]
    assert outcome["starts"] == ["rested"], "what it had done before is not done again"
    assert ordeal.killed(tmp_path / "site", rested, name, reached.count(name)) == outcome


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", names())
def test_nothing_comes_of_killing_the_daemon(
    ordeal: Any, undisturbed: dict[str, Reference], tmp_path: Path, name: str
) -> None:
    scenario = next(each for each in SCENARIOS if name in undisturbed[each.__name__][1])
    outcome, reached = undisturbed[scenario.__name__]

    def killed(nth: int) -> tuple[int, dict[str, Any]]:
        return nth, ordeal.killed(tmp_path / str(nth), scenario, name, nth)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for nth, found in pool.map(killed, range(1, reached.count(name) + 1)):
            assert found == outcome, f"killed at {name}, for the {nth}. time"
