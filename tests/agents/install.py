"""Fetches the pinned agents into the cache: only what is missing, several at a time, each bounded.

What cannot be fetched is said with its reason and costs nothing else: its adapters are then
reported as not run. A second call goes on where the first one ended.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.agents.catalogue import NODE, RECORD, Program, programs

AT_A_TIME = 3
SECONDS = 900
"""For one program; the largest took 75 s on a quick line."""
TRIES = 2
SHOWN_BYTES = 600


class NotFetched(Exception):
    """A program could not be installed; the message says why."""


def install(wanted: Iterable[str] = ()) -> dict[str, str]:
    """Install these programs, or all; return the reason for each one that could not be."""
    known = programs()
    names = list(wanted) or list(known)
    missing: dict[str, str] = {}
    # Node first: installation scripts of the others run with it.
    first = [known[NODE]] if any(known[name].npm for name in names) else []
    for group in (first, [known[name] for name in names if name != NODE]):
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            missing |= dict(zip((each.name for each in group), pool.map(_ensure, group), strict=True))
    return {name: reason for name, reason in missing.items() if reason}


def _ensure(program: Program) -> str:
    """Install one program unless it is there; the reason why it could not be, or nothing."""
    if program.installed:
        return ""
    began, reason = time.monotonic(), ""
    for _ in range(TRIES):
        try:
            _fetch(program)
        except NotFetched as problem:
            reason = str(problem)
        else:
            _say(f"{program.name}: installed in {time.monotonic() - began:.0f} s")
            return ""
    _say(f"{program.name}: could not be installed: {reason}")
    return reason


def _fetch(program: Program) -> None:
    shutil.rmtree(program.folder, ignore_errors=True)
    program.folder.mkdir(parents=True)
    if program.pypi:
        _run(program, [sys.executable, "-m", "venv", str(program.folder)])
        pip = [str(program.bin / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        _run(program, [*pip, "install", "--quiet", *program.pypi])
    else:
        quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        _run(program, ["npm", "install", "--prefix", str(program.folder), *quiet, *program.npm])
    record = program.folder / f"{RECORD}.new"
    record.write_text(json.dumps(program.pins), encoding="utf-8")
    record.rename(program.folder / RECORD)


def _run(program: Program, words: Sequence[str]) -> None:
    node = programs()[NODE].bin
    path = os.pathsep.join([str(node), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            words,
            cwd=program.folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError as problem:
        raise NotFetched(f"{problem.filename} is missing; install it") from problem
    except subprocess.TimeoutExpired as problem:
        raise NotFetched(f"{Path(words[0]).name} was not done after {SECONDS} s") from problem
    if done.returncode:
        said = (done.stderr or done.stdout)[-SHOWN_BYTES:].decode("utf-8", "replace").strip()
        raise NotFetched(f"{Path(words[0]).name} ended with {done.returncode}: {said}")


def _say(text: str) -> None:
    sys.stderr.write(f"agents: {text}\n")
    sys.stderr.flush()
