"""Checks that need no running daemon: `codencerd --check`, which knows the rooms we must not."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from codencer.client.problems import error_named
from codencer.errors import Infrastructure
from codencer.locate import Repository
from codencer.process.commands import run


def check(repository: Repository, what: str, *flags: str, environ: Mapping[str, str] = os.environ) -> Any:
    """Return the JSON document of one check; `flags` are further ones of `codencerd --check`.

    Raises:
        CodencerError: the check could not be made.
    """
    argv = [sys.executable, "-P", "-m", "codencer.daemon", "--check", what]
    argv += ["--repo", os.fspath(repository.top), *flags]
    done = run(argv, cwd=repository.top, env=dict(environ))
    try:
        document = json.loads(done.stdout)
    except ValueError as problem:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Infrastructure(f"codencerd --check {what} failed ({done.code}): {said}") from problem
    if isinstance(document, dict) and "error" in document:
        raise error_named(str(document["error"]), str(document["message"]))
    return document
