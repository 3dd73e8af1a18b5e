"""What is found and mended without a daemon, on ledgers and folders of every condition."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codencer.config import Config, load
from codencer.daemon.checks import run_check
from codencer.daemon.faults import Check, faults
from codencer.daemon.purge import belongings
from codencer.daemon.repair import repair
from codencer.engine.opening import open_rooms
from codencer.errors import LedgerFailed, StorageFailed
from codencer.ledger import Ledger
from codencer.locate import find_repository
from codencer.model.event import EventKind
from codencer.model.run import RunLabels


@pytest.fixture
def config(make_repo: Callable[..., Path]) -> Config:
    """A repository that a daemon has served, with one event in its ledger."""
    found = load(find_repository(make_repo()), environ=os.environ)
    rooms = open_rooms(found)
    asyncio.run(record(rooms.ledger, "one"))
    rooms.ledger.close()
    return found


async def record(ledger: Ledger, run_id: str) -> None:
    body = {"labels": RunLabels(), "actor": "t"}
    await ledger.write(lambda tx: tx.append(EventKind.RUN_CREATED, body, run_id=run_id))


def wrong(config: Config) -> dict[str, Check]:
    return {each.name: each for each in faults(config) if not each.ok}


def test_nothing_is_wrong_with_a_fresh_or_a_used_repository(
    config: Config, make_repo: Callable[..., Path]
) -> None:
    assert wrong(config) == {}
    fresh = load(find_repository(make_repo(name="fresh")), environ=os.environ)
    assert wrong(fresh) == {}
    assert repair(fresh) == []
    assert not fresh.state_dir.exists()


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_a_clock_that_was_ahead_is_mentioned_and_stops_nothing(
    config: Config, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    real = time.time_ns
    ledger = Ledger.open(config.db_path)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: real() + hours * 3600 * 10**9)
        asyncio.run(record(ledger, "ahead"))
    asyncio.run(record(ledger, "after"))
    ledger.close()
    found = wrong(config)
    assert list(found) == ["clock"]
    assert not found["clock"].needed
    assert "set back" in found["clock"].detail


@pytest.mark.parametrize("damage", [b"\0" * 100, b"\xff" * 4096])
def test_a_damaged_ledger_is_named_never_written_and_works_again_once_put_back(
    config: Config, damage: bytes
) -> None:
    whole = config.db_path.read_bytes()
    broken = damage + whole[len(damage) :]
    config.db_path.write_bytes(broken)
    found = wrong(config)
    assert found["ledger"].needed
    with pytest.raises((LedgerFailed, StorageFailed)):
        open_rooms(config)
    assert all(line.startswith("could not be mended") for line in repair(config))
    assert config.db_path.read_bytes() == broken
    config.db_path.write_bytes(whole)
    open_rooms(config).ledger.close()
    assert wrong(config) == {}


def test_missing_folders_are_made_again(config: Config) -> None:
    config.artifact_root.rmdir()
    [trash] = config.workspace_root.glob("*/trash")
    trash.rmdir()
    assert str(trash) in wrong(config)["folders"].detail
    assert len(repair(config)) == 2
    assert trash.stat().st_mode & 0o777 == 0o700
    assert wrong(config) == {}


def test_a_copied_repository_owns_nothing_of_the_originals(config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(config.repository.top, copy, symlinks=True)
    found = belongings(load(find_repository(copy), environ=os.environ))
    assert found.paths == (copy / ".git" / "codencer",)
    assert found.instance_id == ""
    assert belongings(config).instance_id != ""


def test_only_the_default_adapter_is_needed(
    make_repo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(shutil.which("git") or ""))
    top = make_repo()
    for default, ok in (("claude", False), ("simulation", True), ("nobody", False)):
        found = load(find_repository(top), environ={**os.environ, "CODENCER_DEFAULT_ADAPTER": default})
        document, code = run_check(found, "doctor")
        rows = {each["name"]: each for each in document}
        assert (rows[f"adapter {default}"]["ok"], rows[f"adapter {default}"]["needed"]) == (ok, True)
        assert (code == 0) is ok
        assert not rows["adapter aider"]["needed"]


def test_the_doctor_says_whether_there_is_a_sandbox(
    make_repo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(sandbox: str) -> tuple[bool, bool, str]:
        settings = load(find_repository(repo), flags={"sandbox": sandbox}, environ=os.environ)
        [line] = [each for each in run_check(settings, "doctor")[0] if each["name"] == "sandbox"]
        return line["ok"], line["needed"], line["detail"]

    repo = make_repo()
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert look("none") == (True, False, "plain: sandbox = none")
    ok, needed, detail = look("auto")
    assert (ok, needed, detail.startswith(f"plain: {program} does not work here")) == (False, False, True)
    ok, needed, detail = look("bwrap")
    assert (ok, needed, detail.startswith("nothing is started")) == (False, True, True)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if shutil.which("bwrap") is not None and look("auto")[0]:
        assert look("bwrap") == (True, False, f"sandboxed, by {shutil.which('bwrap')}")
