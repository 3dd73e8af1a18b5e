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
