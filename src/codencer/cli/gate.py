"""`codencer gate …`: the questions that policy asks a person, and the answers."""

import sys
from collections.abc import Iterator
from typing import Any

import click

from codencer.cli.face import Face, short
from codencer.cli.group import VerbGroup
from codencer.client.daemon import PREFIX, path
from codencer.errors import InvalidInput

HEAD = ("GATE", "STATE", "RUN", "STEP", "ASKED", "REASONS")
MOST_SHOWN = 10
"""Lines of the diff statistics that are shown before a person is asked to confirm."""


@click.group(cls=VerbGroup)
def gate() -> None:
    """Look at what needs a person's approval, and approve or reject it.

    GATE is an id, the end of one (at least 4 characters), or `latest`.
    """


@gate.command("list")
@click.argument("run", required=False)
@click.option("--all", "all_", is_flag=True, help="Those that were answered, too.")
@click.pass_obj
def list_(face: Face, run: str | None, all_: bool) -> None:
    """List the open gates, of RUN or of all runs."""
    found = face.daemon().get(f"{PREFIX}/gates", {"run": run})
    gates = [each for each in found if all_ or each["state"] == "open"]
    face.listing(gates, HEAD, map(_row, gates))


@gate.command()
@click.argument("gate")
@click.pass_obj
def show(face: Face, gate: str) -> None:
    """Show what GATE asks about: the reasons, the facts, and the tree to approve."""
    found = face.daemon().get(path("gates", gate))
    face.show(found, _fields(found))
    if found["state"] == "open":
        face.hint(f"to see the changes: codencer step diff {found['step_id']}")
        face.hint(f"to answer: codencer gate approve|reject {found['id']}")


@gate.command()
@click.argument("gate")
@click.option("--tree", help="The tree that is approved, as `gate show` names it; asked for on a terminal.")
@click.option("--note", default="", help="Kept in the record.")
@click.pass_obj
def approve(face: Face, gate: str, tree: str | None, note: str) -> None:
    """Approve exactly what GATE asks about; its step is completed then."""
    daemon = face.daemon()
    if tree is None:
        found = daemon.get(path("gates", gate))
        tree = _confirmed(face, found)
    closed = daemon.post(path("gates", gate), {"action": "approve", "tree": tree, "note": note})
    face.show(closed, _closed(closed))
    face.hint(f"to take it: codencer land {closed['step_id']}")


@gate.command()
@click.argument("gate")
@click.option("--note", required=True, help="Why; with --retry it is told to the agent.")
@click.option("--retry", is_flag=True, help="Try the step again at once.")
@click.pass_obj
def reject(face: Face, gate: str, note: str, retry: bool) -> None:
    """Reject what GATE asks about; its step has failed then, or is tried again."""
    closed = face.daemon().post(path("gates", gate), {"action": "reject", "note": note, "retry": retry})
    face.show(closed, _closed(closed))


def _confirmed(face: Face, found: dict[str, Any]) -> str:
    """The tree, once a person at a terminal has seen what it is about and said yes."""
    tree: str = found["snapshot_tree"]
    if face.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidInput(f"say which tree you approve with --tree; gate {found['id']} asks about {tree}")
    for name, value in _fields(found):
        face.hint(f"{name}: {value}")
    if not click.confirm("Approve exactly this tree?", err=True):
        raise InvalidInput("nothing was approved")
    return tree


def _row(gate: dict[str, Any]) -> tuple[object, ...]:
    ids = (short(gate["id"]), gate["state"], gate["run_id"], short(gate["step_id"]))
    return (*ids, gate["created_at"], "; ".join(gate["reasons"])[:80])


def _fields(found: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "gate", found["id"]
    yield "state", found["state"] + (f" by {found['actor']}" if found["actor"] else "")
    yield "step", f"{found['step_id']} ({found['title']})"
    for reason in found["reasons"]:
        yield "because", reason
    counts = f"{found['files_changed']} files, +{found['additions']} -{found['deletions']}"
    yield "changes", counts
    for failed in (found["facts"] or {}).get("failed_validations", ()):
        yield "failed", failed
    yield "snapshot", found["snapshot_commit"]
    yield "tree", found["snapshot_tree"]
    yield "validated", found["validated_tree"]
    yield "note", found["note"]


def _closed(gate: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield "gate", gate["id"]
    yield "state", f"{gate['state']} by {gate['actor']}"
    yield "step", gate["step_id"]
    yield "note", gate["note"]
