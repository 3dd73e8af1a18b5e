"""`codencer gc` and `codencer purge`: giving disk space back, the second without a way back."""

import sys
from typing import Any

import click

from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import PREFIX
from codencer.client.find import answering
from codencer.errors import Conflict, InvalidInput

_REFS_SHOWN = 5


@click.command(cls=Verb)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option(
    "--older-than",
    type=click.IntRange(0),
    metavar="DAYS",
    help="Let snapshots go at this age, this time, whatever retention_days says.",
)
@click.pass_obj
def gc(face: Face, dry_run: bool, older_than: int | None) -> None:
    """Remove what is provably of no more use: workspaces, logs, old snapshots."""
    asked = {"dry_run": dry_run} | ({} if older_than is None else {"older_than_days": older_than})
    lines = face.daemon().post(f"{PREFIX}/gc", asked, timeout=None)
    if face.json:
        face.document({"dry_run": dry_run, "lines": lines})
        return
    for line in lines:
        face.line(f"would be {line}" if dry_run else line)
    if not lines:
        face.hint("nothing to remove")


@click.command(cls=Verb)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--kill", is_flag=True, help="First stop the daemon and every agent at work.")
@click.pass_obj
def purge(face: Face, yes: bool, kill: bool) -> None:
    """Remove everything Codencer keeps for this repository: record, evidence, workspaces, snapshots.

    Your branches, checkout and settings stay as they are.
    """
    from codencer.client.offline import check

    runs = answering(face.repository) is not None
    if runs and not kill:
        raise Conflict(
            "the daemon runs: `codencer stop` ends it, and `codencer purge --kill` it and its agents. "
            "Nothing was removed"
        )
    found = check(face.repository, "purge")
    if not found["paths"] and not found["refs"]:
        face.show({"removed": [], "refs": []}, ())
        face.hint("there was nothing")
        return
    if found["at_work"] and not kill:
        raise Conflict(
            f"an agent or validation is still at work ({found['at_work'][0]}): `codencer purge --kill` ends "
            "it. Nothing was removed"
        )
    _confirm(face, found, yes)
    if runs:
        from codencer.cli.service import halt

        halt(face, kill=True)
    gone = check(face.repository, "purge", "--act", *(("--kill",) if kill else ()))
    document = {"removed": gone["paths"], "refs": gone["refs"]}
    face.show(document, [("removed", path) for path in gone["paths"]] + [("refs", len(gone["refs"]))])


def _confirm(face: Face, found: dict[str, Any], yes: bool) -> None:
    for path in found["paths"]:
        face.hint(f"goes for good: {path}")
    for ref in found["refs"][:_REFS_SHOWN]:
        face.hint(f"goes for good: {ref}")
    if (more := len(found["refs"]) - _REFS_SHOWN) > 0:
        face.hint(f"goes for good: {more} more refs under refs/codencer/")
    if found["unsettled"]:
        face.hint(f"{found['unsettled']} steps are unsettled; they go, too")
    for note in found["notes"]:
        face.hint(note)
    if yes:
        return
    if face.json or not sys.stdin.isatty():
        raise InvalidInput("this cannot be undone: say --yes to do it without being asked")
    click.confirm("Remove them?", abort=True, err=True)
