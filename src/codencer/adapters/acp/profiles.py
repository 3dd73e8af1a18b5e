"""The agents with an adapter of their own over ACP: one table of how they differ, as it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codencer.adapters.programs import Program

_OPENCODE_ASKS = (
    '{"*":"ask","read":"allow","glob":"allow","grep":"allow","list":"allow","lsp":"allow",'
    '"todowrite":"allow","todoread":"allow"}'
)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """`arguments` make it speak ACP. In one of the modes `asking` it asks before it acts, in the first of
    `unattended` that it offers it does not; where it asks in the mode it begins with, there is none to set.

    `asking_env` and `unattended_arguments` do what modes do for agents without such modes. `model_option`
    comes before the model on its command line; without one it is set over the protocol. `resumes` says
    whether `session/load` works in another folder than the one in which a conversation began.
    """

    program: Program
    arguments: tuple[str, ...] = ()
    asking: tuple[str, ...] = ()
    unattended: tuple[str, ...] = ()
    asking_env: Mapping[str, str] = field(default_factory=dict)
    unattended_arguments: tuple[str, ...] = ()
    model_option: str = ""
    auth_method: str | None = None
    env_optional: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    error_words: tuple[str, ...] = ()
    resumes: bool = False


def _npm(name: str, package: str, version: str) -> Program:
    return Program(
        name=name,
        packages=(package,),
        oldest=version,
        newest=version,
        install=f"npm install -g {package}@{version}",
    )


PROFILES: Mapping[str, Profile] = {
    "acp-claude": Profile(
        program=_npm("claude-agent-acp", "@agentclientprotocol/claude-agent-acp", "0.101.0"),
        asking=("default",),
        # As root it offers no bypassPermissions, unless IS_SANDBOX is set.
        unattended=("bypassPermissions", "default"),
        env_optional=("ANTHROPIC_*", "CLAUDE_*", "IS_SANDBOX", "DISABLE_TELEMETRY"),
        env={"DISABLE_AUTOUPDATER": "1"},
        resumes=True,
    ),
    "acp-codex": Profile(
        program=_npm("codex-acp", "@agentclientprotocol/codex-acp", "2.6.0"),
        asking=("read-only",),
        unattended=("agent-full-access",),
        auth_method="api-key",
        env_optional=("OPENAI_*", "CODEX_*", "AZURE_OPENAI_*"),
        resumes=True,
    ),
    "acp-gemini": Profile(
        program=_npm("gemini", "@google/gemini-cli", "0.61.0"),
        arguments=("--acp",),
        asking=("default",),
        unattended=("yolo",),
        model_option="-m",
        auth_method="gemini-api-key",
        env_optional=("GEMINI_*", "GOOGLE_*"),
        # Of a folder that nobody has trusted it takes no settings, and asks for everything.
        env={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
    "acp-qwen": Profile(
        program=_npm("qwen", "@qwen-code/qwen-code", "0.24.4"),
        arguments=("--acp",),
        asking=("default",),
        unattended=("yolo",),
        model_option="--model",
        env_optional=("OPENAI_*", "QWEN_*", "DASHSCOPE_*", "BAILIAN_*"),
    ),
    "acp-opencode": Profile(
        program=_npm("opencode", "opencode-ai", "1.18.33"),
        arguments=("acp",),
        asking_env={"OPENCODE_PERMISSION": _OPENCODE_ASKS},
        env_optional=("OPENCODE_*", "ANTHROPIC_*", "OPENAI_*", "GEMINI_*", "OPENROUTER_*"),
        env={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
        # It loads a conversation anywhere, and goes on in the folder in which that began.
    ),
    "acp-copilot": Profile(
        program=_npm("copilot", "@github/copilot", "1.0.102"),
        arguments=("--acp", "--no-auto-update"),
        unattended_arguments=("--allow-all",),
        model_option="--model",
        env_optional=("COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN", "GH_HOST"),
        env={"COPILOT_AUTO_UPDATE": "false"},
        # It answers a refused key with `end_turn`, and says so in words only.
        error_words=("Error: ",),
        resumes=True,
    ),
}
