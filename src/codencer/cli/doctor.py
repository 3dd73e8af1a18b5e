"""`codencer doctor`: is everything there that is needed? Starts no daemon."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from codencer.cli.exits import INFRASTRUCTURE, OK
from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import Daemon
from codencer.client.find import answering, listens
from codencer.client.http import Endpoint
from codencer.errors import CodencerError
from codencer.locate import Repository, read_descriptor, registered, state_dir, unregister

Line = dict[str, Any]


@click.command(cls=Verb)
@click.option("--repair", is_flag=True, help="Mend what can be mended without losing anything.")
@click.pass_obj
def doctor(face: Face, repair: bool) -> int:
    """Check git, repository, disk, ledger, daemon and agents. Exits 5 if something needed is missing."""
    lines: list[Line] = []
    try:
        repository = face.repository
        lines.append(_line("repository", True, str(repository.top)))
        if repair:
            lines += [_line("repaired", True, done, needed=False) for done in _repair(repository)]
        lines.append(_daemon(repository))
        lines += _offline(repository, repair)
    except CodencerError as problem:
        lines.append(_line("repository", False, problem.message))
    healthy = all(each["ok"] or not each["needed"] for each in lines)
    if face.json:
        face.document({"ok": healthy, "checks": lines})
    else:
        words = {(True, True): "ok", (True, False): "ok", (False, True): "MISSING", (False, False): "no"}
        face.table(
            ("", "CHECK", "FOUND"),
            ((words[each["ok"], each["needed"]], each["name"], each["detail"]) for each in lines),
        )
    return OK if healthy else INFRASTRUCTURE


def _line(name: str, ok: bool, detail: str, needed: bool = True) -> Line:
    return {"name": name, "ok": ok, "detail": detail, "needed": needed}


def _offline(repository: Repository, repair: bool) -> list[Line]:
    from codencer.client.offline import check

    try:
        lines: list[Line] = check(repository, "doctor", *(("--act",) if repair else ()))
    except CodencerError as problem:
        return [_line("settings", False, problem.message)]
    return lines


def _daemon(repository: Repository) -> Line:
    try:
        found = answering(repository)
    except CodencerError as problem:
        return _line("daemon", False, problem.message)
    if found is None:
        return _line("daemon", True, "not running; it starts when it is needed")
    where = f"process {found.pid}, {found.execution_mode} mode, {found.base_url}"
    try:
        health = Daemon(Endpoint(unix=found.socket)).get("/health")
    except CodencerError as problem:
        return _line("daemon", False, f"{where}; {problem.message}")
    if problems := health.get("problems"):
        return _line("daemon", False, f"{where}; it goes on by itself once this is mended: {problems[0]}")
    return _line("daemon", True, where)


def _repair(repository: Repository) -> list[str]:
    """Private modes, and descriptors of daemons that are gone; returns what was done."""
    done: list[str] = []
    state = state_dir(repository.common_dir)
    for path, mode in ((state, 0o700), (state / "token", 0o600), (state / "codencer.db", 0o600)):
        if path.exists() and path.stat().st_mode & 0o777 != mode:
            _attempt(done, f"made {path} private again", partial(path.chmod, mode))
    descriptor = read_descriptor(repository.common_dir)
    if descriptor is not None and answering(repository) is None:
        for path in (state / "daemon.json", Path(descriptor.socket)):
            if path.exists():
                _attempt(done, f"removed {path} of process {descriptor.pid}, which is gone", path.unlink)
    for each in registered():
        if not listens(each):
            _attempt(
                done,
                f"took the daemon of {each.repo_root}, which is gone, out of the registry",
                partial(unregister, each.instance_id, each.pid),
            )
    return done


def _attempt(done: list[str], what: str, act: Callable[[], object]) -> None:
    try:
        act()
        done.append(what)
    except OSError as problem:
        done.append(f"could not do: {what}: {problem.strerror}")
