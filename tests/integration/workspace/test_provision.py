"""Provisioning lays what the project names into a workspace, and nothing from or to anywhere else."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codencer.errors import InvalidInput, MalformedInput
from codencer.model.step import ProvisioningSpec
from codencer.workspace.provision import Laid, lay_out, read_provisioning

if TYPE_CHECKING:
    from tests.integration.workspace.conftest import Desk


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "checkout"
    (top / ".codencer").mkdir(parents=True)
    return top


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def ask(checkout: Path, **what: object) -> ProvisioningSpec:
    (checkout / ".codencer/workspace.json").write_text(json.dumps({"provisioning": what}))
    return read_provisioning(checkout)


def test_no_file_asks_for_nothing(checkout: Path, workspace: Path) -> None:
    assert read_provisioning(checkout) == ProvisioningSpec()
    assert lay_out(read_provisioning(checkout), workspace) == Laid()


def test_the_first_of_three_files_counts(checkout: Path) -> None:
    (checkout / ".groverc.json").write_text('{"symlink": ["node_modules"], "afterCreate": "npm ci"}')
    spec = read_provisioning(checkout)
    assert (spec.symlinks, spec.post_create, spec.copy) == (("node_modules",), "npm ci", ())
    (checkout / "grove.yaml").write_text(
        "remote: theirs\nworkspace:\n  setup:\n    copy: [.env]\n    symlinks: [data/]\n"
        "  hooks:\n    post_create: make setup\n"
    )
    spec = read_provisioning(checkout)
    assert (spec.symlinks, spec.post_create, spec.copy) == (("data",), "make setup", (".env",))
    spec = ask(checkout, copy=["a"], symlinks=["b"], hooks={"post_create": "true"}, timeout_seconds=5)
    assert spec == ProvisioningSpec(
        source=str(checkout / ".codencer/workspace.json"),
        copy=("a",),
        symlinks=("b",),
        post_create="true",
        timeout_seconds=5,
    )


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (".codencer/workspace.json", '{"provisioning": {"copies": []}}', "unknown key provisioning.copies"),
        (".codencer/workspace.json", '{"provision": {}}', "unknown key provision"),
        (".codencer/workspace.json", '{"provisioning": {"hooks": {"pre": "x"}}}', "provisioning.hooks.pre"),
        (".codencer/workspace.json", '{"provisioning": {"copy": "a"}}', "provisioning.copy must be a list"),
        (".codencer/workspace.json", '{"provisioning": {"copy": [1]}}', "provisioning.copy must be a list"),
        (".codencer/workspace.json", '{"provisioning": {"timeout_seconds": true}}', "timeout_seconds"),
        (".codencer/workspace.json", '{"provisioning": {"timeout_seconds": 0}}', "timeout_seconds"),
        (".codencer/workspace.json", '{"provisioning": []}', "provisioning must be a mapping"),
        (".codencer/workspace.json", '{"a": 1, "a": 2}', "stands twice"),
        (".codencer/workspace.json", "{", "cannot be parsed"),
        ("grove.yaml", "workspace: {hooks: {before: x}}", "workspace.hooks.before"),
        ("grove.yaml", "workspace: {a: 1, a: 2}", "stands twice"),
        ("grove.yaml", "workspace: [", "cannot be parsed"),
        (".groverc.json", '{"link": []}', "unknown key link"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_key(
    checkout: Path, name: str, text: str, complaint: str
) -> None:
    (checkout / name).write_text(text)
    with pytest.raises(InvalidInput, match=complaint) as raised:
        read_provisioning(checkout)
    assert str(checkout / name) in str(raised.value)
    assert ("parsed" in str(raised.value)) == isinstance(raised.value, MalformedInput)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../out", "a/../../out", "", ".", ".git/config", ".GIT", "a\0b"]
)
def test_paths_that_lead_out_are_refused(checkout: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"provisioning\.copy names"):
        ask(checkout, copy=[path])


def test_files_and_folders_are_copied_with_their_modes(checkout: Path, workspace: Path) -> None:
    (checkout / ".env").write_text("SECRET=1\n")
    (checkout / ".env").chmod(0o600)
    (checkout / "data/deep").mkdir(parents=True)
    (checkout / "data/run").write_text("#!/bin/sh\n")
    (checkout / "data/run").chmod(0o750)
    (checkout / "data/deep").chmod(0o700)
    (checkout / "data/deep/link").symlink_to("../run")
    (checkout / "data/out").symlink_to("/etc")
    laid = lay_out(ask(checkout, copy=[".env", "data"]), workspace)
    assert (workspace / ".env").stat().st_mode & 0o777 == 0o600
    assert (workspace / "data/run").stat().st_mode & 0o777 == 0o750
    assert (workspace / "data/deep").stat().st_mode & 0o777 == 0o700
    assert (workspace / "data/deep/link").readlink() == Path("../run")
    assert (workspace / "data/out").readlink() == Path("/etc")
    assert laid.environment_files == (".env",)
    assert laid.log == ("copied .env", "copied data (3 files)")


def test_a_copy_replaces_what_the_base_has_there(checkout: Path, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (checkout / "a").write_text("new")
    (workspace / "a").symlink_to(tmp_path / "precious")
    lay_out(ask(checkout, copy=["a"]), workspace)
    assert (workspace / "a").read_text() == "new"
    assert (tmp_path / "precious").read_text() == "keep me"


def test_symlinks_lead_to_the_checkout(checkout: Path, workspace: Path) -> None:
    (checkout / "node_modules").mkdir()
    laid = lay_out(ask(checkout, symlinks=["node_modules"]), workspace)
    assert (workspace / "node_modules").readlink() == checkout / "node_modules"
    assert laid.symlinks == ("node_modules",)
    assert laid.log == (f"linked node_modules to {checkout / 'node_modules'}",)


@pytest.mark.parametrize("how", ["copy", "symlinks"])
def test_a_missing_source_fails(checkout: Path, workspace: Path, how: str) -> None:
    with pytest.raises(InvalidInput, match=r"names absent, which is not in"):
        lay_out(ask(checkout, **{how: ["absent"]}), workspace)


@pytest.mark.parametrize("how", ["copy", "symlinks"])
def test_a_link_out_of_the_checkout_is_not_followed(
    checkout: Path, workspace: Path, tmp_path: Path, how: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("s")
    (checkout / "door").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInput, match="leads out of"):
        lay_out(ask(checkout, **{how: ["door/secret"]}), workspace)
    assert os.listdir(workspace) == []


def test_a_link_out_of_the_workspace_is_not_followed(checkout: Path, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (checkout / "conf").mkdir()
    (checkout / "conf/a").write_text("a")
    (workspace / "conf").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInput, match="leads out of the workspace"):
        lay_out(ask(checkout, copy=["conf/a"]), workspace)
    assert os.listdir(tmp_path / "outside") == []


def test_a_linked_ignored_folder_is_not_work(
    make_repo: Callable[..., Path], make_desk: Callable[[Path], "Desk"]
) -> None:
    repo = make_repo({".gitignore": "node_modules/\n"})
    (repo / "node_modules").mkdir()
    (repo / ".codencer").mkdir()
    desk = make_desk(repo)
    workspace = desk.attempt()
    lay_out(ask(repo, symlinks=["node_modules"]), workspace)
    assert set(desk.stored(desk.take().commit)) == {b".gitignore"}
