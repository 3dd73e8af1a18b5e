"""Old events are brought up to date before they are projected; the chain keeps them as they are."""

from contextlib import closing

import pytest

from codencer.errors import IncompatibleVersion, LedgerFailed
from codencer.ledger.connection import connect_memory
from codencer.ledger.migrate import shipped
from codencer.ledger.projection import Fact, project
from codencer.ledger.upcast import UPCASTS, Upcasts, upcast
from codencer.model.event import EVENT_VERSION, EventKind

Body = dict[str, object]


def _labels(body: Body) -> Body:
    """As if version 1 had a `project` and no labels."""
    return {"labels": {"project_id": body["project"], "conversation": "", "planner": "", "executor": ""}}


def _executor(body: Body) -> Body:
    labels = body["labels"]
    assert isinstance(labels, dict)
    return {"labels": {**labels, "executor": "unknown"}}


REGISTRY: Upcasts = {("run.created", 1): _labels, ("run.created", 2): _executor}


def test_each_version_is_one_step() -> None:
    old: Body = {"project": "shop"}
    assert upcast("run.created", 3, old, registry=REGISTRY, current=3) is old
    assert upcast("run.created", 1, old, registry=REGISTRY, current=2) == _labels(old)
    assert upcast("run.created", 1, old, registry=REGISTRY, current=4) == _executor(_labels(old))
    assert upcast("run.advanced", 1, old, registry=REGISTRY, current=4) == old


def test_a_newer_event_is_refused() -> None:
    with pytest.raises(IncompatibleVersion):
        upcast("run.created", EVENT_VERSION + 1, {})


def test_shipped_steps_start_from_versions_that_existed() -> None:
    for kind, version in UPCASTS:
        assert kind in set(EventKind)
        assert 1 <= version < EVENT_VERSION


def fact(v: int, body: str, kind: str = "run.created") -> Fact:
    return Fact(seq=7, v=v, at=9, run_id="one", step_id=None, attempt_id=None, kind=kind, body=body)


def test_an_old_event_is_projected_in_todays_shape() -> None:
    with closing(connect_memory()) as connection:
        for migration in shipped():
            for statement in migration.statements:
                connection.execute(statement)
        project(connection, fact(1, '{"project":"shop"}'), upcasts=REGISTRY, current=3)
        row = connection.execute("SELECT id, seq, project_id, executor, created_at FROM runs").fetchone()
        assert row == ("one", 7, "shop", "unknown", 9)
        with pytest.raises(IncompatibleVersion):
            project(connection, fact(4, "{}"), upcasts=REGISTRY, current=3)
        with pytest.raises(LedgerFailed, match="does not know"):
            project(connection, fact(1, "{}", "run.teleported"))
