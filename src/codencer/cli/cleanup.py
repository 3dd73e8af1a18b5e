"""`codencer gc` and `codencer purge`: giving disk space back, the second without a way back."""

import shutil
import sys
from pathlib import Path

import click

from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import PREFIX
from codencer.client.find import answering
from codencer.errors import Conflict, InvalidInput, StorageFailed
from codencer.locate import read_instance, state_dir


@click.command(cls=Verb)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.pass_obj
def gc(face: Face, dry_run: bool) -> None:
    """Remove workspaces and logs whose content is provably kept elsewhere."""
    lines = face.daemon().post(f"{PREFIX}/gc", {"dry_run": dry_run}, timeout=None)
    if face.json:
        face.document({"dry_run": dry_run, "lines": lines})
        return
    for line in lines:
        face.line(line)
    if not lines:
        face.hint("nothing to remove")


@click.command(cls=Verb)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(face: Face, yes: bool) -> None:
    """Remove everything Codencer keeps for this repository: record, evidence, workspaces.

    Snapshots stay in the repository under refs/codencer/. The daemon must be stopped first.
    """
    from codencer.config import load

    repository = face.repository
    if answering(repository) is not None:
        raise Conflict("the daemon runs; `codencer stop --kill` ends it and its agents. Nothing was removed")
    _refuse_while_agents_work(state_dir(repository.common_dir) / "launches")
    config = load(repository)
    instance = read_instance(repository.common_dir)
    folders = [state_dir(repository.common_dir)]
    folders += [] if instance is None else [config.workspaces(instance.id)]
    folders = [folder for folder in folders if folder.is_dir()]
    if folders:
        _confirm(face, folders, yes)
        _remove(folders)
    gone = [str(folder) for folder in folders]
    face.show({"removed": gone}, (("removed", folder) for folder in gone))
    if not gone:
        face.hint("there was nothing")


def _refuse_while_agents_work(launches: Path) -> None:
    from codencer.model.launch import LaunchStatus
    from codencer.process.folder import status

    for folder in launches.glob("*/*"):
        if folder.is_dir() and status(folder) is LaunchStatus.ALIVE:
            raise Conflict(
                f"an agent or validation is still at work ({folder}): `codencer start` and then "
                "`codencer stop --kill` end it. Nothing was removed"
            )


def _confirm(face: Face, folders: list[Path], yes: bool) -> None:
    for folder in folders:
        face.hint(f"goes for good: {folder}")
    if yes:
        return
    if face.json or not sys.stdin.isatty():
        raise InvalidInput("this cannot be undone: say --yes to do it without being asked")
    click.confirm("Remove them?", abort=True, err=True)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as problem:
            raise StorageFailed(f"{problem.filename} cannot be removed: {problem.strerror}") from problem
