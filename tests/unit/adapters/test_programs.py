"""Finding an agent's program and its version: from files as npm, pip and installers leave them."""

import json
import os
from pathlib import Path

import pytest

from codencer.adapters.programs import (
    LARGEST_FILE_BYTES,
    Program,
    built_in,
    examine,
    find,
    home,
    version_of,
)
from codencer.errors import InvalidInput
from codencer.model.step import AdapterSettings, PromptChannel

HERON = Program(
    name="heron",
    packages=("@birds/heron", "heron-agent"),
    oldest="1.2",
    newest="1.10.3",
    install="npm install -g @birds/heron",
)
SETTINGS = AdapterSettings(name="heron")


def program(path: Path, content: str = "\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(0o755)
    return path


def npm_package(folder: Path, name: str, version: str) -> Path:
    """A package as npm unpacks it; returns its executable."""
    package = folder / "node_modules" / name
    cli = program(package / "bin" / "cli.js", "#!/usr/bin/env node\nimport '../lib/cli.js'\n")
    (package / "package.json").write_text(json.dumps({"name": name, "version": version}))
    return cli


def python_environment(folder: Path, name: str, version: str) -> Path:
    """A virtual environment with one package; returns the environment."""
    info = folder / "lib" / "python3.11" / "site-packages" / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nVersion: 0\n")
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "python").symlink_to("/usr/bin/env")
    return folder


def version(path: Path) -> str:
    return version_of(path, HERON.packages)


class TestVersion:
    def test_of_a_link_into_an_npm_package(self, tmp_path: Path) -> None:
        cli = npm_package(tmp_path / "lib", "@birds/heron", "1.4.0")
        link = tmp_path / "bin" / "heron"
        link.parent.mkdir()
        link.symlink_to(os.path.relpath(cli, link.parent))
        assert version(link) == "1.4.0"

    @pytest.mark.parametrize(
        ("name", "said"),
        [("@birds/heron-linux-x64", "1.4.0"), ("@birds/heron", "1.4.0-linux-x64")],
    )
    def test_of_a_package_of_one_platform(self, tmp_path: Path, name: str, said: str) -> None:
        assert version(npm_package(tmp_path, name, said)) == "1.4.0"

    def test_a_prerelease_keeps_its_name(self, tmp_path: Path) -> None:
        assert version(npm_package(tmp_path, "@birds/heron", "1.5.0-beta.1")) == "1.5.0-beta.1"

    def test_a_package_of_another_name_says_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "package.json").write_text('{"name": "project", "version": "9.9.9"}')
        assert version(program(tmp_path / "tools" / "heron")) == ""

    @pytest.mark.parametrize(
        "line",
        [
            'exec node "$basedir/../lib/node_modules/@birds/heron/bin/cli.js" "$@"',
            'exec node "${basedir}/../lib/node_modules/@birds/heron/bin/cli.js" "$@"',
            'exec node "$(dirname "$0")/../lib/node_modules/@birds/heron/bin/cli.js" "$@"',
            "exec node $(dirname -- $0)/../lib/node_modules/@birds/heron/bin/cli.js $@",
            "exec {top}/lib/node_modules/@birds/heron/bin/cli.js",
            "HERON='{top}/lib/node_modules/@birds/heron/bin/cli.js'; exec \"$HERON\"",
        ],
    )
    def test_behind_a_wrapper_script(self, tmp_path: Path, line: str) -> None:
        top = tmp_path / "with space" if '"' in line and "{top}" not in line else tmp_path
        npm_package(top / "lib", "@birds/heron", "1.4.0")
        text = "#!/bin/sh\n" + line.replace("{top}", str(top)) + "\n"
        assert version(program(top / "bin" / "heron", text)) == "1.4.0"

    def test_wrappers_that_start_each_other_come_to_an_end(self, tmp_path: Path) -> None:
        for number in range(20):
            program(tmp_path / f"w{number}", f"#!/bin/sh\nexec {tmp_path}/w{(number + 1) % 20}\n")
        assert version(tmp_path / "w0") == ""

    def test_of_the_environment_that_a_script_names(self, tmp_path: Path) -> None:
        environment = python_environment(tmp_path / "tool", "heron_agent", "1.3.1")
        script = program(tmp_path / "bin" / "heron", f"#!{environment}/bin/python\nimport heron\n")
        assert version(script) == "1.3.1"

    def test_of_an_interpreter_too_long_for_the_first_line(self, tmp_path: Path) -> None:
        environment = python_environment(tmp_path / "a tool", "heron_agent", "1.3.1")
        text = f"#!/bin/sh\n'''exec' \"{environment}/bin/python\" \"$0\" \"$@\"\n' '''\nimport heron\n"
        assert version(program(tmp_path / "bin" / "heron", text)) == "1.3.1"

    def test_of_a_package_beside_the_script(self, tmp_path: Path) -> None:
        python_environment(tmp_path, "Heron.Agent", "1.3.1")
        assert version(program(tmp_path / "bin" / "heron", "#!/usr/bin/python3\n")) == "1.3.1"

    def test_of_a_link_into_an_environment(self, tmp_path: Path) -> None:
        environment = python_environment(tmp_path / "tool", "heron_agent", "1.3.1")
        script = program(environment / "bin" / "heron", f"#!{environment}/bin/python\n")
        link = tmp_path / "heron"
        link.symlink_to(script)
        assert version(link) == "1.3.1"

    def test_of_the_folder_it_was_unpacked_in(self, tmp_path: Path) -> None:
        real = program(tmp_path / "versions" / "1.2.7")
        link = tmp_path / "heron"
        link.symlink_to(real)
        assert version(link) == "1.2.7"
        assert version(program(tmp_path / "releases" / "1.2.8" / "heron")) == "1.2.8"

    @pytest.mark.parametrize("content", ["", "#!", "#!\n", "#!/bin/sh\n/\0/x\n", "\udcff"])
    def test_a_file_that_tells_nothing(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "heron"
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        assert version(path) == ""
        assert version(tmp_path / "gone") == ""

    @pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, '{"name": 1, "version": 2}', "\xff"])
    def test_a_broken_package_says_nothing(self, tmp_path: Path, text: str) -> None:
        cli = npm_package(tmp_path, "@birds/heron", "1.4.0")
        (cli.parents[1] / "package.json").write_text(text, encoding="latin-1")
        assert version(cli) == ""

    def test_nothing_but_small_regular_files_is_read(self, tmp_path: Path) -> None:
        cli = npm_package(tmp_path, "@birds/heron", "1.4.0")
        package = cli.parents[1] / "package.json"
        package.write_text(package.read_text() + " " * LARGEST_FILE_BYTES)
        assert version(cli) == ""
        package.unlink()
        os.mkfifo(package)
        assert version(cli) == ""


class TestFinding:
    def test_on_the_path_of_the_agent_and_no_other(self, tmp_path: Path) -> None:
        path = program(tmp_path / "bin" / "heron")
        assert find(HERON, SETTINGS, {"PATH": f"/nonexistent:{path.parent}"}, None) == path
        assert find(HERON, SETTINGS, {"PATH": "/nonexistent"}, None) is None
        assert find(HERON, SETTINGS, {}, None) is None

    def test_another_program_by_name_or_by_path(self, tmp_path: Path) -> None:
        path = program(tmp_path / "bin" / "heron-next")
        environ = {"PATH": str(path.parent)}
        for name in ("heron-next", str(path), "bin/heron-next"):
            assert find(HERON, AdapterSettings(name="heron", program=name), environ, tmp_path) == path
        path.chmod(0o644)
        for name in ("heron-next", str(path), "bin"):
            assert find(HERON, AdapterSettings(name="heron", program=name), environ, tmp_path) is None

    def test_home_comes_from_the_agents_environment(self) -> None:
        assert home({"HOME": "/h"}) == Path("/h")
        assert not home({}).exists()


class TestProbe:
    def test_a_missing_program_says_how_to_get_it(self, tmp_path: Path) -> None:
        probe = examine(HERON, SETTINGS, {"PATH": str(tmp_path)}, None)
        assert not probe.installed
        assert probe.problem == (
            "adapter 'heron': 'heron' was not found on PATH; install it (`npm install -g @birds/heron`), "
            "or set `program` in [adapters.heron]"
        )
        own = examine(HERON, AdapterSettings(name="heron", program="tools/heron"), {}, tmp_path)
        assert "'tools/heron' was not found in the checkout" in own.problem

    @pytest.mark.parametrize("known", ["1.2", "1.2.0", "1.9.9", "1.10.3", "1.10.3-rc.1"])
    def test_a_version_that_was_measured(self, tmp_path: Path, known: str) -> None:
        cli = npm_package(tmp_path, "@birds/heron", known)
        probe = examine(HERON, AdapterSettings(name="heron", program=str(cli)), {}, None)
        assert (probe.installed, probe.version, probe.problem, probe.warnings) == (True, known, "", ())
        assert probe.verified == "1.2 to 1.10.3"

    @pytest.mark.parametrize("unknown", ["1.1.9", "1.10.4", "2", "2.0.0", "0.9"])
    def test_a_version_that_was_not_is_a_warning(self, tmp_path: Path, unknown: str) -> None:
        cli = npm_package(tmp_path, "@birds/heron", unknown)
        probe = examine(HERON, AdapterSettings(name="heron", program=str(cli)), {}, None)
        assert probe.problem == ""
        assert probe.warnings == (
            f"version {unknown} was not tried; how it behaves was measured with 1.2 to 1.10.3",
        )

    def test_a_version_that_cannot_be_told_is_a_warning(self, tmp_path: Path) -> None:
        path = program(tmp_path / "heron")
        (warning,) = examine(HERON, AdapterSettings(name="heron", program=str(path)), {}, None).warnings
        assert "cannot be told" in warning

    @pytest.mark.parametrize("signed_in", [True, False, None])
    def test_only_certainty_refuses_a_sign_in(self, tmp_path: Path, signed_in: bool | None) -> None:
        path = program(tmp_path / "heron")
        settings = AdapterSettings(name="heron", program=str(path))
        probe = examine(HERON, settings, {}, None, signed_in=signed_in, sign_in="run `heron login`")
        assert probe.signed_in is signed_in
        assert bool(probe.problem) is (signed_in is False)
        assert probe.problem in (
            "",
            f"adapter 'heron': {path} is there, but it is not signed in: run `heron login`",
        )


class TestSettings:
    def test_without_a_table_there_are_defaults(self) -> None:
        assert built_in("heron", None) == SETTINGS

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            (AdapterSettings(name="heron", command=("x",)), "set `program`"),
            (AdapterSettings(name="heron", prompt=PromptChannel.ARGV), "remove `prompt`"),
            (
                AdapterSettings(name="heron", success_exit_codes=(0, 1)),
                "remove `prompt` and `success_exit_codes`",
            ),
        ],
    )
    def test_what_only_suits_a_command_is_refused(self, settings: AdapterSettings, problem: str) -> None:
        with pytest.raises(InvalidInput, match=problem):
            built_in("heron", settings)
