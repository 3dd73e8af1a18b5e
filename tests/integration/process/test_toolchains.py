"""Installations on PATH, laid out as installers and version managers do, found from their files alone."""

import os
import sys
from pathlib import Path

import pytest

from codencer.process.toolchains import tool_chains


@pytest.fixture
def found(tmp_path: Path) -> "Found":
    return Found(tmp_path)


class Found:
    """A home folder, and what is found from a PATH in it; paths are relative to the home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def program(self, name: str, text: str = "#!/bin/sh\n") -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def link(self, name: str, target: Path) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    def __call__(self, *folders: str, programs: tuple[str, ...] = (), wide: tuple[str, ...] = ()) -> set[str]:
        environ = {"HOME": str(self.home), "PATH": ":".join(str(self.home / each) for each in folders)}
        chains = tool_chains(environ, programs, [str(self.home / each) for each in wide])
        return {os.path.relpath(each, self.home) for each in chains if Path(each).is_relative_to(self.home)}


def test_a_folder_of_programs_stands_for_its_installation(found: Found) -> None:
    found.program(".nvm/versions/node/v22/bin/node")
    found.program(".pyenv/shims/python")
    assert found(".nvm/versions/node/v22/bin", ".pyenv/shims") == {".nvm/versions/node/v22", ".pyenv"}


def test_a_folder_of_links_leads_to_what_they_mean(found: Found) -> None:
    python = found.program("share/python/bin/python3")
    venv = found.program(".local/share/pipx/venvs/tool/bin/tool", f"#!{python}\n")
    (venv.parents[1] / "pyvenv.cfg").write_text(f"home = {python.parent}\n")
    found.link(".local/bin/tool", venv)
    assert found(".local/bin") == {
        ".local/bin",
        ".local/lib",
        ".local/share/pipx/venvs/tool",
        "share/python",
    }


def test_a_program_alone_in_a_folder(found: Found) -> None:
    found.link(".local/bin/agent", found.program(".local/share/agent/versions/1.2.3"))
    assert ".local/share/agent/versions" in found(".local/bin")


def test_modules_of_node_lie_beside_each_other(found: Found) -> None:
    found.link("bin/agent", found.program("tools/node_modules/agent/cli.js", "#!/usr/bin/env node\n"))
    assert found("bin") == {"bin", "tools/node_modules"}


def test_what_holds_more_than_programs_is_not_opened_as_a_whole(found: Found) -> None:
    for name in ("bin/a", "work/bin/b", "work/.venv/bin/c", ".cargo/bin/cargo", "work/d"):
        found.program(name)
    assert found("bin", "work/bin", "work/.venv/bin", ".cargo/bin", "work", wide=("work",)) == {
        *("bin", "work/bin", "work/.venv", ".cargo/bin", ".rustup", ".cargo/config.toml")
    }


def test_a_script_that_stands_for_a_program_elsewhere(found: Found) -> None:
    real = found.program("agents/one/bin/agent")
    wrapper = found.program("wrappers/agent", f'#!/bin/sh\nexec "{real}" "$@"\n')
    assert found(programs=(str(wrapper),)) == {"wrappers", "agents/one"}


def test_what_is_installed_later_is_found(found: Found) -> None:
    found.program(".local/bin/a")
    assert found(".local/bin") == {".local/bin", ".local/lib"}
    found.link(".local/bin/b", found.program("opt/b/bin/b"))
    assert "opt/b" in found(".local/bin")


def test_our_own_python_and_package_are_always_there(tmp_path: Path) -> None:
    chains = tool_chains({"HOME": str(tmp_path), "PATH": "/usr/bin:relative:"}, (), ())
    shown = [Path(each) for each in (*chains, "/usr")]
    import codencer

    for wanted in (sys.executable, os.path.realpath(sys.executable), codencer.__file__):
        assert any(Path(str(wanted)).is_relative_to(each) for each in shown), wanted
