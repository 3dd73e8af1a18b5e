"""The adapter for Claude Code (`claude -p`): prompt on stdin, stream-json on stdout.

As root it refuses to work unattended unless it is told that it is in a sandbox. Older versions within
the range find no conversation from another folder, so a retry begins a new one.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from codencer.adapters.programs import Program, built_in, examine, executable, home
from codencer.adapters.stream_json import StreamJsonParser
from codencer.adapters.variables import FOLDERS, PROXIES, signed_in
from codencer.model.launch import Launch
from codencer.model.ports import Assignment, Parser, Probe
from codencer.model.step import AdapterSettings

PROGRAM = Program(
    name="claude",
    packages=("@anthropic-ai/claude-code",),
    oldest="2.1.197",
    newest="2.1.330",
    install="npm install -g @anthropic-ai/claude-code",
)
_KEYS = ("ANTHROPIC_*", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_*")
SETTINGS = ("${CLAUDE_CONFIG_DIR:-~/.claude}/",)
COPIED = ("~/.claude.json",)
"""It replaces this file as a whole, which a mounted one does not let it, and several write it at a time."""
_SIGN_IN = "run `claude` once and sign in, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN"


def make(name: str, settings: AdapterSettings | None, checkout: Path | None) -> "Claude":
    return Claude(built_in(name, settings), checkout)


class Claude:
    resumes = False

    def __init__(self, settings: AdapterSettings, checkout: Path | None) -> None:
        self.settings = settings
        self._checkout = checkout

    def probe(self, environ: Mapping[str, str] = os.environ) -> Probe:
        """Look for it. Its settings may name a helper that knows a key, and macOS keeps it elsewhere."""
        folder = Path(environ.get("CLAUDE_CONFIG_DIR") or home(environ) / ".claude")
        files = (folder / ".credentials.json", folder / "settings.json", home(environ) / ".claude.json")
        known = signed_in(self.settings, environ, _KEYS, files)
        if known is False and sys.platform == "darwin":
            known = None
        return examine(PROGRAM, self.settings, environ, self._checkout, signed_in=known, sign_in=_SIGN_IN)

    def launch(self, assignment: Assignment) -> Launch:
        settings = self.settings
        model = ("--model", settings.model) if settings.model else ()
        return Launch(
            argv=(
                *(executable(PROGRAM, settings), "-p", "--output-format", "stream-json", "--verbose"),
                *("--permission-mode", "bypassPermissions", *model, *settings.arguments),
            ),
            env_names=settings.env,
            env_optional=(*FOLDERS, *PROXIES, *_KEYS, "CLAUDE_CONFIG_DIR"),
            env={
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": "2",
                "DISABLE_AUTOUPDATER": "1",
                "DISABLE_ERROR_REPORTING": "1",
                "DISABLE_TELEMETRY": "1",
                **({"IS_SANDBOX": "1"} if os.geteuid() == 0 else {}),
            },
            stdin=assignment.prompt.encode("utf-8", "replace"),
            writes=SETTINGS,
            copies=COPIED,
        )

    def parser(self) -> Parser:
        return StreamJsonParser(self.settings)
