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
    """`kin` is the adapter of the same agent without ACP: what environment it needs, and whether it is
    signed in, that one knows. `arguments` make it speak ACP.

    In the mode `asking` it asks before it acts, in the first of `unattended` that it offers it does not;
    an agent that asks in the mode it begins with has none to set. `asking_env` and `unattended_arguments`
    do what modes do for agents without such modes. `model_option` comes before the model on its command
    line; without one the model is set over the protocol. `resumes` says whether `session/load` works in
    another folder than the one in which a conversation began, `linger_seconds` is what it may take to end
    once its stdin is closed: a loaded machine needs more than the tenth of a second that most take.
    """

    program: Program
    kin: str
    arguments: tuple[str, ...] = ()
    asking: tuple[str, ...] = ()
    unattended: tuple[str, ...] = ()
    asking_env: Mapping[str, str] = field(default_factory=dict)
    unattended_arguments: tuple[str, ...] = ()
    model_option: str = ""
    auth_method: str | None = None
    error_words: tuple[str, ...] = ()
    resumes: bool = False
    linger_seconds: float = 10.0


def _npm(name: str, package: str, version: str) -> Program:
    install = f"npm install -g {package}"
    return Program(name=name, packages=(package,), oldest=version, newest=version, install=install)


PROFILES: Mapping[str, Profile] = {
    "acp-claude": Profile(
        program=_npm("claude-agent-acp", "@agentclientprotocol/claude-agent-acp", "0.101.0"),
        kin="claude",
        asking=("default",),
        # Some installations may not offer the first; in the other one all that it asks is allowed.
        unattended=("bypassPermissions", "default"),
        resumes=True,
    ),
    "acp-codex": Profile(
        program=_npm("codex-acp", "@agentclientprotocol/codex-acp", "2.6.0"),
        kin="codex",
        asking=("read-only",),
        unattended=("agent-full-access",),
        auth_method="api-key",
        resumes=True,
        linger_seconds=1.0,  # it would take seven, and leave its native process behind
    ),
    "acp-copilot": Profile(
        program=_npm("copilot", "@github/copilot", "1.0.102"),
        kin="copilot",
        arguments=("--acp", "--no-auto-update"),
        unattended_arguments=("--allow-all",),
        model_option="--model",
        # It answers a refused key with `end_turn`, and says so in words only.
        error_words=("Error: ",),
        resumes=True,
    ),
    "acp-gemini": Profile(
        program=_npm("gemini", "@google/gemini-cli", "0.61.0"),
        kin="gemini",
        arguments=("--acp",),
        asking=("default",),
        unattended=("yolo",),
        model_option="--model",
        auth_method="gemini-api-key",
    ),
    "acp-opencode": Profile(
        program=_npm("opencode", "opencode-ai", "1.18.33"),
        kin="opencode",
        arguments=("acp",),
        asking_env={"OPENCODE_PERMISSION": _OPENCODE_ASKS},
        # It loads a conversation anywhere, but goes on in the folder in which that began.
    ),
    "acp-qwen": Profile(
        program=_npm("qwen", "@qwen-code/qwen-code", "0.24.4"),
        kin="qwen",
        arguments=("--acp",),
        asking=("default",),
        unattended=("yolo",),
        model_option="--model",
    ),
}
