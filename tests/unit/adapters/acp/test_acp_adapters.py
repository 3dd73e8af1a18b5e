"""How agents over ACP are found and started, and what of their settings is refused; acpx besides."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codencer.adapters import load, names
from codencer.adapters.acp.profiles import PROFILES
from codencer.errors import InvalidInput
from codencer.model.attempt import AgentEventKind, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment, TwoWayAdapter
from codencer.model.step import AdapterSettings, AgentProtocol, Approvals, PromptChannel

Given = Callable[..., Assignment]
MINE = AdapterSettings(name="mine", command=("./mine", "--acp"), protocol=AgentProtocol.ACP, env=("KEY",))
ENDED = ExitRecord(reason=ExitReason.EXITED, code=0)


def test_every_profile_is_in_the_registry() -> None:
    assert {name for name in names() if name.startswith("acp-")} == set(PROFILES)


@pytest.mark.parametrize("name", PROFILES)
def test_a_built_in_agent_is_spoken_with_and_gets_what_its_kin_gets(assignment: Given, name: str) -> None:
    adapter = load(name, AdapterSettings(name=name, model="m", arguments=("--more",), env=("OWN",)))
    assert isinstance(adapter, TwoWayAdapter)
    launch, profile = adapter.launch(assignment()), PROFILES[name]
    assert (launch.two_way, launch.stdin, launch.env_names) == (True, b"", ("OWN",))
    assert launch.argv[: 1 + len(profile.arguments)] == (profile.program.name, *profile.arguments)
    assert launch.argv[-1] == "--more"
    assert ("m" in launch.argv) is bool(profile.model_option)
    kin = load(profile.kin).launch(assignment())
    assert launch.env_optional == kin.env_optional
    assert kin.env.items() <= launch.env.items()
    assert adapter.resumes is (name in ("acp-claude", "acp-codex", "acp-copilot"))


def test_who_has_to_ask_is_started_so_that_it_does(assignment: Given) -> None:
    def launch(name: str, approvals: Approvals) -> tuple[tuple[str, ...], str]:
        made = load(name, AdapterSettings(name=name, approvals=approvals)).launch(assignment())
        return made.argv, made.env.get("OPENCODE_PERMISSION", "")

    assert "--allow-all" in launch("acp-copilot", Approvals.ALLOW)[0]
    assert "--allow-all" not in launch("acp-copilot", Approvals.SCOPE)[0]
    assert launch("acp-opencode", Approvals.ALLOW)[1] == ""
    assert '"*":"ask"' in launch("acp-opencode", Approvals.DENY)[1]


def test_a_home_of_its_own_leads_to_no_other(assignment: Given) -> None:
    for name in PROFILES:
        launch = load(name, AdapterSettings(name=name, isolated_home=True)).launch(assignment())
        assert launch.env["HOME"] == "/state/exchange/home"
        assert not {"XDG_CONFIG_HOME", "CODEX_*", "COPILOT_*", "CLAUDE_CONFIG_DIR"} & set(launch.env_optional)


def test_the_program_is_looked_for_like_any_other(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "@agentclientprotocol" / "codex-acp"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text('{"name": "@agentclientprotocol/codex-acp", "version": "2.7.0"}')
    (package / "dist" / "index.js").write_text("#!/usr/bin/env node\n")
    (package / "dist" / "index.js").chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "codex-acp").symlink_to(package / "dist" / "index.js")
    environ = {"PATH": os.fspath(tmp_path / "bin"), "OPENAI_API_KEY": "x", "HOME": os.fspath(tmp_path)}
    probe = load("acp-codex").probe(environ)
    assert (probe.installed, probe.version, probe.verified, probe.signed_in) == (True, "2.7.0", "2.6.0", True)
    assert probe.warnings
    missing = load("acp-codex").probe({"PATH": "", "HOME": os.fspath(tmp_path)})
    assert "npm install -g @agentclientprotocol/codex-acp" in missing.problem


def test_a_command_of_the_users_own(assignment: Given, tmp_path: Path) -> None:
    adapter = load("mine", MINE, checkout=tmp_path)
    assert isinstance(adapter, TwoWayAdapter)
    launch = adapter.launch(assignment())
    assert (launch.argv, launch.env_names, launch.two_way) == (("./mine", "--acp"), ("KEY",), True)
    assert not adapter.resumes
    assert "not found" in adapter.probe({}).problem
    assert adapter.parser().finish(ENDED, None).ending is Ending.BROKEN


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"command": ("x",), "protocol": AgentProtocol.ACP, "prompt": PromptChannel.FILE},
            "part of the conversation",
        ),
        (
            {"command": ("x",), "protocol": AgentProtocol.ACP, "success_exit_codes": (3,)},
            "part of the conversation",
        ),
        ({"command": ("x",), "approvals": Approvals.ASK}, "a plain command works unasked"),
    ],
)
def test_what_would_change_nothing_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        load("mine", AdapterSettings(name="mine", **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["claude", "aider", "openclaw-acpx"])
def test_who_cannot_be_made_to_ask_says_so(name: str) -> None:
    with pytest.raises(InvalidInput, match="acp-claude|works unasked"):
        load(name, AdapterSettings(name=name, approvals=Approvals.DENY))


class TestAcpx:
    def test_it_is_given_the_prompt_on_stdin(self, assignment: Given) -> None:
        settings = AdapterSettings(name="openclaw-acpx", program="/x/acpx", model="m", arguments=("claude",))
        adapter = load("openclaw-acpx", settings)
        launch = adapter.launch(assignment())
        assert launch.argv == (
            *("/x/acpx", "--approve-all", "--format", "json", "--json-strict", "--cwd", "/workspace"),
            *("--model", "m", "claude", "exec", "--file", "-"),
        )
        assert (launch.stdin, launch.two_way) == (b"Add hello.txt", False)
        assert not isinstance(adapter, TwoWayAdapter)

    @pytest.mark.parametrize("piece", [1, 1 << 20])
    @pytest.mark.parametrize(
        ("name", "ending", "kind"),
        [
            ("acpx-edit", Ending.SUCCEEDED, ErrorKind.NONE),
            ("acpx-e401", Ending.BROKEN, ErrorKind.AUTH),
        ],
    )
    def test_both_sides_are_read(
        self, overheard: Callable[[str], bytes], name: str, ending: Ending, kind: ErrorKind, piece: int
    ) -> None:
        parser, data = load("openclaw-acpx").parser(), overheard(name)
        events = [
            event
            for begin in range(0, len(data), piece)
            for event in parser.feed(data[begin : begin + piece])
        ]
        outcome = parser.finish(ENDED, None)
        assert (outcome.ending, outcome.error_kind) == (ending, kind)
        assert outcome.session_id
        if ending is Ending.SUCCEEDED:
            assert (outcome.input_tokens, outcome.output_tokens, outcome.cost_microusd) == (4468, 112, 18768)
            assert AgentEventKind.FILE_EDIT in [event.kind for event in events]

    def test_an_answer_of_its_own_is_not_the_end(self) -> None:
        """Both sides count their requests from 0, so the same number stands for two of them."""
        lines = [
            b'{"id":0,"method":"session/prompt","params":{}}',
            b'{"id":0,"method":"session/request_permission","params":{"toolCall":{"title":"Write"}}}',
            b'{"id":0,"result":{"outcome":{"outcome":"selected","optionId":"y"}}}',
            b'{"id":1,"method":"terminal/create","params":{}}',
            b'{"id":1,"error":{"code":1,"message":"no"}}',
        ]
        parser = load("openclaw-acpx").parser()
        assert [event.text for event in parser.feed(b"\n".join(lines) + b"\n")] == ["Write", "Write"]
        assert parser.finish(ENDED, None).error_kind is ErrorKind.CRASH
        parser.feed(b'{"id":0,"result":{"stopReason":"end_turn"}}\n')
        assert parser.finish(ENDED, None).ending is Ending.SUCCEEDED
