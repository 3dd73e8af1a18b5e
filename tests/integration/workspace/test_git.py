"""The door: nothing of the caller's or an agent's environment decides what git does."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.errors import GitFailed, InvalidInput
from codencer.workspace.agent_git import config_text
from codencer.workspace.git import Git, open_store, read_settings
from codencer.workspace.refs import create_refs, delete_refs, list_refs, read_ref

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk

GitCall = Callable[..., str]


def test_the_callers_git_variables_are_not_seen(desk: "Desk", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'user.name=Intruder'")
    git = Git(desk.store, desk.settings)
    assert git.text("rev-parse", "--git-dir") == str(desk.store.bridge_dir)
    assert git.text("config", "user.name") == "Test Person"


def test_the_users_configuration_is_not_read(desk: "Desk", git: GitCall, home: Path) -> None:
    (home / ".gitconfig").write_text("[alias]\n\tx = status\n[core]\n\thooksPath = /home-hooks\n")
    git(desk.repo, "config", "core.fsmonitor", "/evil")
    listing = Git(desk.store, desk.settings).text("config", "--list")
    assert "alias.x" not in listing
    assert "/evil" not in listing
    assert Git(desk.store).text("config", "core.hooksPath") == os.devnull
    assert Git(desk.store, git_dir=desk.store.common_dir).text("config", "core.fsmonitor") == "false"


def test_opening_a_store_twice_gives_the_same(desk: "Desk") -> None:
    state = desk.store.bridge_dir.parent
    assert open_store(desk.store.common_dir, state) == desk.store
    with pytest.raises(GitFailed, match="not a git directory"):
        open_store(desk.folder, state)


def test_refs_are_only_ever_created_once(desk: "Desk", git: GitCall) -> None:
    name = "refs/codencer/attempts/x"
    assert read_ref(desk.store, name) is None
    create_refs(desk.store, {name: desk.base, "refs/codencer/commits/x/1": desk.base})
    with pytest.raises(GitFailed):
        create_refs(desk.store, {"refs/codencer/attempts/y": desk.base, name: desk.base})
    assert list_refs(desk.store, "refs/codencer/attempts/") == {name: desk.base}
    assert read_ref(desk.store, name) == desk.base
    with pytest.raises(ValueError, match="not a ref of the bridge"):
        create_refs(desk.store, {"refs/heads/main": desk.base})
    delete_refs(desk.store, [name, "refs/codencer/attempts/absent"])
    assert read_ref(desk.store, name) is None


def test_settings_are_a_fixed_list(desk: "Desk", git: GitCall, home: Path, tmp_path: Path) -> None:
    (tmp_path / "my ignores").write_bytes(b"*.mine\n\xff\n")
    git(desk.repo, "config", "core.excludesFile", str(tmp_path / "my ignores"))
    (desk.repo / ".git/info").mkdir(exist_ok=True)
    (desk.repo / ".git/info/exclude").write_text("# a comment\n/venv\n")
    git(desk.repo, "config", "core.autocrlf", "input")
    git(desk.repo, "config", "alias.evil", "!touch /canary")
    git(desk.repo, "config", "remote.origin.url", "https://me:secret@example.com/x")
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/attributes").write_text("*.x binary\n")
    assert dict(read_settings(desk.repo)) == {
        "user.name": "Test Person",
        "user.email": "person@example.com",
        "core.autocrlf": "input",
        "codencer.excludes": '"*.mine\\n\\377\\n/venv\\n"',
        "codencer.attributes": "*.x binary\n",
    }
    git(desk.repo, "config", "remote.origin.promisor", "true")
    settings = dict(read_settings(desk.repo))
    assert settings["remote.origin.url"] == "https://me@example.com/x"


def test_a_setting_that_cannot_be_recorded_is_refused(desk: "Desk") -> None:
    with (desk.repo / ".git/config").open("ab") as config:
        config.write(b'[filter "x"]\n\tclean = \xff\n')
    with pytest.raises(InvalidInput, match=r"filter\.x\.clean"):
        read_settings(desk.repo)


def test_frozen_attributes_count(desk: "Desk") -> None:
    desk.settings = (*desk.settings, ("codencer.attributes", "*.crlf eol=crlf text\n"))
    workspace = desk.attempt()
    (workspace / "a.crlf").write_bytes(b"one\r\n")
    assert desk.stored(desk.take().commit)[b"a.crlf"] == ("100644", b"one\n")


def test_large_files_are_found_in_the_users_own_lfs_storage(desk: "Desk") -> None:
    git = Git(desk.store, (("filter.lfs.clean", "git-lfs clean -- %f"), ("filter.lfs.required", "true")))
    assert git.text("config", "lfs.storage") == str(desk.store.common_dir / "lfs")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subsection=st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=8),
    value=st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=20),
)
def test_any_setting_survives_the_config_file(tmp_path: Path, subsection: str, value: str) -> None:
    (tmp_path / "config").write_bytes(config_text(((f"filter.{subsection}.clean", value),)).encode())
    listing = subprocess.run(
        ["git", "config", "--file", str(tmp_path / "config"), "--list", "-z"], capture_output=True, check=True
    )
    assert listing.stdout == f"filter.{subsection}.clean\n{value}\0".encode()
