"""How the built-in agents are started, and what is known of them before: files and variables only."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from codencer.adapters import load
from codencer.adapters.command import MAX_ARGUMENT_BYTES
from codencer.adapters.variables import named
from codencer.model.launch import Launch
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings
from codencer.model.task import TaskSpec

AGENTS = ("aider", "copilot", "mini-swe-agent", "opencode")
PROGRAMS = {
    "aider": ("aider", "aider_chat", "0.86.2"),
    "copilot": ("copilot", "@github/copilot", "1.0.102"),
    "mini-swe-agent": ("mini", "mini_swe_agent", "2.4.6"),
    "opencode": ("opencode", "opencode-ai", "1.18.33"),
}
KEYS = {
    "aider": "OPENAI_API_KEY",
    "copilot": "GH_TOKEN",
    "mini-swe-agent": "ANTHROPIC_API_KEY",
    "opencode": "OPENROUTER_API_KEY",
}


def assignment(prompt: str, session_id: str | None = None) -> Assignment:
    return Assignment(
        task=TaskSpec(goal="mend it"),
        prompt=prompt,
        workspace=Path("/w"),
        task_file=Path("/f/task.json"),
        prompt_file=Path("/f/prompt.txt"),
        result_file=Path("/f/result.json"),
        report_file=Path("/f/report.json"),
        session_id=session_id,
    )


def launch(agent: str, prompt: str = "mend it", session_id: str | None = None, **settings: object) -> Launch:
    made = AdapterSettings(name=agent, **settings)  # type: ignore[arg-type]
    return load(agent, made).launch(assignment(prompt, session_id))


class TestLaunch:
    def test_opencode(self) -> None:
        found = launch("opencode", model="fake/one", arguments=("--agent", "build"), program="/opt/opencode")
        assert found.argv == (
            *("/opt/opencode", "run", "--format", "json", "--auto", "--model", "fake/one"),
            *("--agent", "build"),
        )
        assert found.stdin == b"mend it"
        assert found.env["OPENCODE_DISABLE_AUTOUPDATE"] == "1"
        assert found.litter == ()

    def test_copilot(self) -> None:
        found = launch("copilot", model="gpt", arguments=("--agent", "x"))
        assert found.argv == (
            *("copilot", "--output-format", "json", "--allow-all", "--no-ask-user", "--no-color"),
            *("--no-auto-update", "--disable-client-telemetry", "--no-remote-export", "-C", "/w"),
            *("--usage-output-file", "/f/report.json", "--model", "gpt", "--agent", "x"),
        )
        assert found.stdin == b"mend it"

    def test_copilot_goes_on_in_the_workspace_it_is_given(self) -> None:
        found = launch("copilot", session_id="-of another attempt")
        assert "--resume=-of another attempt" in found.argv
        assert found.argv[found.argv.index("-C") + 1] == "/w"
        assert load("copilot").resumes
        assert [agent for agent in AGENTS if load(agent).resumes] == ["copilot"]

    def test_aider(self) -> None:
        found = launch("aider", model="openai/one", arguments=("--edit-format", "diff"))
        assert found.argv[0] == "aider"
        assert found.argv[-6:] == (
            *("--model", "openai/one", "--edit-format", "diff", "--message-file", "/dev/stdin"),
        )
        for option in ("--yes-always", "--no-auto-commits", "--no-dirty-commits", "--no-gitignore"):
            assert option in found.argv
        places = dict(zip(found.argv, found.argv[1:], strict=False))
        assert places["--analytics-log"] == "/f/report.json"
        assert places["--input-history-file"] == "/f/aider.input.history"
        assert places["--chat-history-file"] == "/f/aider.chat.history.md"
        assert found.stdin == b"\nmend it"
        assert found.litter == ("/.aider.tags.cache.v*/",)

    def test_mini_swe_agent(self) -> None:
        found = launch("mini-swe-agent", model="openai/one", arguments=("--cost-limit", "1"))
        assert found.argv == (
            *("mini", "--yolo", "--exit-immediately", "--output", "/f/report.json"),
            *("--model", "openai/one", "--cost-limit", "1", "--task=mend it"),
        )
        assert found.stdin == b""
        assert found.env["MSWEA_CONFIGURED"] == "true"

    @pytest.mark.parametrize("agent", AGENTS)
    @pytest.mark.parametrize("prompt", ["x" * 200_000, "ä\0b", "ä" * 65536], ids=["long", "zero", "wide"])
    def test_a_prompt_that_no_argument_holds(self, agent: str, prompt: str) -> None:
        found = launch(agent, prompt)
        assert max(len(each.encode()) for each in found.argv) < MAX_ARGUMENT_BYTES
        assert "\0" not in "".join(found.argv)
        if agent == "mini-swe-agent":
            assert f"the file /f/prompt.txt ({len(prompt.encode())} bytes)" in found.argv[-1]
        else:
            assert found.stdin.removeprefix(b"\n") == prompt.encode()

    @pytest.mark.parametrize("agent", AGENTS)
    @pytest.mark.parametrize("prompt", ["-rf", "--version", "/quit", "!reboot", "@file"])
    def test_a_prompt_is_never_an_option_or_a_command(self, agent: str, prompt: str) -> None:
        found = launch(agent, prompt)
        assert prompt not in found.argv
        if agent == "aider":
            # It runs what begins with a slash or an exclamation mark.
            assert found.stdin[:1] == b"\n"

    @pytest.mark.parametrize("agent", AGENTS)
    def test_text_that_is_no_unicode_can_be_passed(self, agent: str) -> None:
        found = launch(agent, "a\ud800b")
        assert b"a?b" in found.stdin + found.argv[-1].encode()

    def test_the_longest_task_that_is_an_argument(self) -> None:
        longest = MAX_ARGUMENT_BYTES - len("--task=")
        assert launch("mini-swe-agent", "x" * longest).argv[-1].endswith("xxx")
        assert "is written in the file" in launch("mini-swe-agent", "x" * (longest + 1)).argv[-1]

    @pytest.mark.parametrize("agent", AGENTS)
    def test_keys_to_models_pass_and_keys_to_more_do_not(self, agent: str) -> None:
        found = launch(agent, env=("OWN",))
        assert found.env_names == ("OWN",)
        assert "https_proxy" in found.env_optional
        private = ("AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET")
        nobodys = ("SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "CODENCER_SCRIPT", "DATABASE_URL")
        everything = dict.fromkeys((KEYS[agent], *private, *nobodys), "secret")
        assert named(found.env_optional, everything) == [KEYS[agent]]


Install = Callable[[str], dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Lay an agent out as its package manager does; returns the variables of somebody who has it."""

    def lay(agent: str) -> dict[str, str]:
        name, package, version = PROGRAMS[agent]
        program = tmp_path / "tool" / "bin" / name
        if agent in ("aider", "mini-swe-agent"):
            info = (
                tmp_path / "tool" / "lib" / "python3.12" / "site-packages" / f"{package}-{version}.dist-info"
            )
            info.mkdir(parents=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.4\nVersion: {version}\n")
        else:
            program = tmp_path / "node_modules" / package / "bin" / name
            program.parent.mkdir(parents=True)
            (program.parents[1] / "package.json").write_text(
                json.dumps({"name": package, "version": version})
            )
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        return {"PATH": str(program.parent), "HOME": str(tmp_path / "home")}

    return lay


def make(files: Iterable[str], below: Path) -> None:
    for name in files:
        path = below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


class TestProbe:
    @pytest.mark.parametrize("agent", AGENTS)
    def test_one_that_is_there_and_signed_in(self, agent: str, install: Install) -> None:
        environ = {**install(agent), KEYS[agent]: "secret"}
        probe = load(agent).probe(environ)
        assert (probe.installed, probe.version, probe.problem) == (True, PROGRAMS[agent][2], "")
        assert (probe.signed_in, probe.warnings, probe.verified) == (True, (), PROGRAMS[agent][2])

    @pytest.mark.parametrize("agent", AGENTS)
    def test_one_that_is_not_there(self, agent: str, tmp_path: Path) -> None:
        probe = load(agent).probe({"PATH": str(tmp_path), "HOME": str(tmp_path)})
        assert not probe.installed
        assert "install" in probe.problem

    @pytest.mark.parametrize("agent", ["aider", "copilot", "mini-swe-agent"])
    def test_certainly_not_signed_in(self, agent: str, install: Install) -> None:
        probe = load(agent).probe({**install(agent), KEYS[agent]: "", "SSH_AUTH_SOCK": "/s"})
        assert probe.installed
        assert probe.signed_in is False
        assert "not signed in: " in probe.problem

    def test_opencode_has_models_that_need_no_sign_in(self, install: Install) -> None:
        probe = load("opencode").probe(install("opencode"))
        assert (probe.signed_in, probe.problem) == (None, "")

    @pytest.mark.parametrize(
        ("agent", "file", "known"),
        [
            ("opencode", ".local/share/opencode/auth.json", True),
            ("copilot", ".copilot/config.json", None),
            ("copilot", ".config/gh/hosts.yml", None),
            ("aider", ".aider.conf.yml", None),
            ("aider", ".aider/oauth-keys.env", None),
            ("mini-swe-agent", ".config/mini-swe-agent/.env", None),
        ],
    )
    def test_a_file_of_the_users_may_hold_the_sign_in(
        self, agent: str, file: str, known: bool | None, install: Install
    ) -> None:
        environ = install(agent)
        make([file], Path(environ["HOME"]))
        probe = load(agent).probe(environ)
        assert (probe.signed_in, probe.problem) == (known, "")

    def test_a_file_of_the_checkout_may_hold_it(self, install: Install, tmp_path: Path) -> None:
        make([".aider.conf.yml"], tmp_path)
        assert load("aider", checkout=tmp_path).probe(install("aider")).signed_in is None

    @pytest.mark.parametrize(
        ("agent", "variables"),
        [
            ("opencode", {"XDG_DATA_HOME": "{top}/data"}),
            ("copilot", {"COPILOT_HOME": "{top}/own"}),
            ("copilot", {"GH_CONFIG_DIR": "{top}/gh"}),
            ("mini-swe-agent", {"MSWEA_GLOBAL_CONFIG_DIR": "{top}/mini"}),
        ],
    )
    def test_folders_may_lie_elsewhere(
        self, agent: str, variables: dict[str, str], install: Install, tmp_path: Path
    ) -> None:
        make(["data/opencode/auth.json", "own/config.json", "gh/hosts.yml", "mini/.env"], tmp_path)
        moved = {name: value.format(top=tmp_path) for name, value in variables.items()}
        assert load(agent).probe({**install(agent), **moved}).problem == ""

    @pytest.mark.parametrize("agent", ["aider", "mini-swe-agent"])
    @pytest.mark.parametrize(
        "settings",
        [
            {"model": "ollama/qwen"},
            {"model": "bedrock/claude"},
            {"env": ("AWS_PROFILE",)},
            {"arguments": ("--config", "own.yml")},
        ],
    )
    def test_what_might_need_no_key_is_not_refused(
        self, agent: str, settings: dict[str, object], install: Install
    ) -> None:
        made = AdapterSettings(name=agent, **settings)  # type: ignore[arg-type]
        assert load(agent, made).probe(install(agent)).signed_in is None

    def test_a_model_of_ones_own_signs_copilot_in(self, install: Install) -> None:
        own = {**install("copilot"), "COPILOT_PROVIDER_BASE_URL": "http://localhost:1"}
        assert load("copilot").probe(own).signed_in is True
