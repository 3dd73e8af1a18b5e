"""The adapter for Qwen Code (`qwen`): prompt on stdin, stream-json on stdout.

It retries a model that fails for minutes; only the time limit of the step ends that. A conversation is
bound to its folder, so it never resumes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from codencer.adapters.programs import Program, built_in, chooses, examine, executable, home
from codencer.adapters.stream_json import StreamJsonParser
from codencer.adapters.variables import FOLDERS, MODELS, PROXIES, signed_in
from codencer.model.launch import Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="qwen",
    packages=("@qwen-code/qwen-code",),
    oldest="0.15.10",
    newest="0.24.4",
    install="npm install -g @qwen-code/qwen-code",
)
SETTINGS = ("~/.qwen/",)
_SIGN_IN = "run `qwen` once and sign in, or set OPENAI_API_KEY (and OPENAI_BASE_URL, OPENAI_MODEL)"


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Qwen":
    return Qwen(built_in(name, settings), checkout)


class Qwen:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Its settings may name a provider with a key of its own."""
        folder = home(environ) / ".qwen"
        files = (folder / "settings.json", folder / "oauth_creds.json")
        known = signed_in(self.settings, environ, ("QWEN_*", *MODELS), files)
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        mode = () if chooses(settings, "--approval-mode", "--yolo", "-y") else ("--approval-mode", "yolo")
        # A person's settings name how to sign in; where there are none, a key in the environment has to do.
        return Launch(
            argv=(
                *(executable(PROGRAM, settings), "--output-format", "stream-json"),
                *(*mode, *model, *settings.arguments),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *MODELS, "QWEN_*"),
            env={"QWEN_TELEMETRY_ENABLED": "false", "NO_UPDATE_NOTIFIER": "1"},
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=SETTINGS,
        )

    def parser(self) -> Parser:
        return StreamJsonParser(self.settings)
