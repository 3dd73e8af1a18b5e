"""A daemon that is killed again while it makes up for having been killed."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

FIXED = "simulate: write code.txt fixed"


@pytest.mark.parametrize(
    "moments",
    [
        # The hook is the first launch, the agent the second.
        ["launch.spawn:before 2", "agent.launching:before 1"],
        ["launch.spawn:before 2", "launch.spawn:before 1"],
    ],
    ids=["its-launch-withdrawn", "another-announced"],
)
def test_an_agent_that_never_began_is_started_in_the_end(
    ordeal: Any, tmp_path: Path, moments: list[str]
) -> None:
    with ordeal.site(tmp_path / "site") as site, ThreadPoolExecutor(1) as planner:
        client = ordeal.client(site)
        work = planner.submit(lambda: client.settled(client.submit("work", FIXED)))
        for number, moment in enumerate(moments):
            daemon = site.start(f"kill {moment} {site.folder / f'once-{number}'}")
            site.opened(daemon)
            assert daemon.ended() == -signal.SIGKILL, site.log
        daemon = site.start()
        assert site.opened(daemon), site.log
        work.result(40)
        client.seen("workspace.released")
        outcome = client.outcome()
        assert outcome["steps"]["work"]["state"] == "completed", outcome
        assert outcome["starts"] == ["work"]
        assert daemon.end() == 0
        site.inspect()


def test_a_landing_is_finished_in_the_end(ordeal: Any, tmp_path: Path) -> None:
    with ordeal.site(tmp_path / "site") as site, ThreadPoolExecutor(1) as planner:
        client = ordeal.client(site)

        def land() -> Any:
            step = client.submit("work", FIXED)
            client.settled(step)
            client.seen("workspace.released")
            (site.top / "README.md").write_text("my own words\n")
            return client.act(step, "land", form="commit", checkout=str(site.top))

        work = planner.submit(land)
        moments = ("land.files:after", "land.files:before", "land.ref:after", "step.landed:before")
        for number, moment in enumerate(moments):
            daemon = site.start(f"kill {moment} 1 {site.folder / f'once-{number}'}")
            site.opened(daemon)
            assert daemon.ended() == -signal.SIGKILL, site.log
        daemon = site.start()
        assert site.opened(daemon), site.log
        assert work.result(40)["commit"] == site.git("rev-parse", "HEAD")
        assert [each["commit"] for each in site.recorded("step.landed")] == [site.git("rev-parse", "HEAD")]
        assert site.git("show", "HEAD:code.txt") == "fixed"
        assert site.git("status", "--porcelain") == "M README.md"
        assert daemon.end() == 0
        site.inspect()
