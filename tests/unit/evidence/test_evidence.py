"""Manifest and environment: canonical, complete, and without anything private."""

import json
import os
from dataclasses import replace

import pytest

from codencer import __version__
from codencer.evidence import environment, manifest
from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt, AttemptState, Snapshot

ATTEMPT = Attempt(
    id="att_1",
    step_id="step_1",
    run_id="run",
    number=2,
    state=AttemptState.VALIDATING,
    adapter="fixer",
    requested_adapter="fixer",
    adapter_version="1.2",
    created_at=1,
    updated_at=2,
    snapshot=Snapshot(commit="c1", tree="t1", validated_tree="v1", complete=True),
)


def artifact(name: str, *, attempt_id: str = "att_1") -> Artifact:
    return Artifact(
        id=f"art_{name}",
        attempt_id=attempt_id,
        name=name,
        path=f"run/step/attempt/{name}",
        size=3,
        sha256="ab" * 32,
        media_type="text/plain",
        created_at=99,
    )


def test_the_manifest_binds_the_artifacts_to_what_was_judged() -> None:
    data = manifest(
        ATTEMPT,
        [artifact("stdout"), artifact("diff.patch")],
        base_commit="b1",
        policy="basic",
        policy_digest="d1",
    )
    assert json.loads(data) == {
        "version": "v1",
        "kind": "codencer.manifest",
        "run_id": "run",
        "step_id": "step_1",
        "attempt_id": "att_1",
        "attempt_number": 2,
        "adapter": "fixer",
        "requested_adapter": "fixer",
        "adapter_version": "1.2",
        "trust_level": "plain",
        "base_commit": "b1",
        "snapshot_commit": "c1",
        "snapshot_tree": "t1",
        "validated_tree": "v1",
        "policy": {"name": "basic", "digest": "d1"},
        "artifacts": [
            {"name": name, "size": 3, "sha256": "ab" * 32, "media_type": "text/plain"}
            for name in ("diff.patch", "stdout")
        ],
    }


def test_the_same_facts_give_the_same_bytes() -> None:
    files = [artifact("b"), artifact("a")]
    one = manifest(ATTEMPT, files, base_commit="b1")
    assert one == manifest(replace(ATTEMPT, updated_at=77), files[::-1], base_commit="b1")
    assert one != manifest(ATTEMPT, [replace(files[0], size=4), files[1]], base_commit="b1")


def test_an_attempt_that_never_got_so_far_has_a_manifest_too() -> None:
    found = json.loads(manifest(replace(ATTEMPT, snapshot=None), [], base_commit=None))
    assert found["artifacts"] == []
    assert [found[key] for key in ("base_commit", "snapshot_commit", "validated_tree", "policy")] == [
        None
    ] * 4


def test_a_manifest_that_would_lie_is_refused() -> None:
    with pytest.raises(ValueError, match="share a name"):
        manifest(ATTEMPT, [artifact("a"), artifact("a")], base_commit=None)
    with pytest.raises(ValueError, match="another attempt"):
        manifest(ATTEMPT, [artifact("a", attempt_id="att_2")], base_commit=None)


def test_the_environment_names_versions_and_nothing_private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "do-not-record-me")
    data = environment(
        ATTEMPT,
        git_version="git version 2.39.5\n",
        litter=("/.fixer/",),
        policy="basic",
        policy_digest="d1",
        base_commit="b1",
    )
    found = json.loads(data)
    assert found["codencer"] == __version__
    assert found["git"] == "git version 2.39.5"
    assert found["agent"] == {
        "adapter": "fixer",
        "version": "1.2",
        "trust_level": "plain",
        "litter": ["/.fixer/"],
    }
    assert found["policy"] == {"name": "basic", "digest": "d1"}
    assert found["base_commit"] == "b1"
    assert found["platform"]["system"] == os.uname().sysname
    for private in ("do-not-record-me", os.environ["HOME"], os.uname().nodename):
        assert private.encode() not in data
