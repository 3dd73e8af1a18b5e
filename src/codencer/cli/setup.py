"""`codencer init` and `codencer trust`: what a checkout brings along, and consent to it."""

from pathlib import Path

import click

from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import PREFIX
from codencer.errors import Conflict, StorageFailed
from codencer.locate import make_state_dir

CONFIG = """\
# Settings of this project, for everybody who works on it. Commit this file.
# Every setting, its value and its origin: codencer config show --origin

#default_adapter = "fixer"
#default_policy = "basic"

# An agent of your own, with no code: a command that edits files in its workspace.
# Whoever clones this must allow it once with `codencer trust`.
#[adapters.fixer]
#command = ["./tools/fixer", "--yes"]
#prompt = "stdin"                  # stdin | argv | file
#env = ["FIXER_TOKEN"]             # names of variables it may see
"""

# `artifacts` is a link into the git directory; a link matches no pattern that ends in a slash.
IGNORED = "/artifacts\n"


@click.command(cls=Verb)
@click.pass_obj
def init(face: Face) -> None:
    """Make .codencer/ in this checkout: settings, a folder for policies, a link to the artifacts.

    What is there already is left as it is.
    """
    top = face.repository.top
    made: list[str] = []
    try:
        _make(top / ".codencer", make_state_dir(face.repository.common_dir) / "artifacts", made)
    except OSError as problem:
        raise StorageFailed(f"{problem.filename} cannot be made: {problem.strerror}") from problem
    document = {"checkout": str(top), "made": made}
    face.show(document, (("made", name) for name in made))
    face.hint("next: codencer doctor" if made else "everything was there already")


def _make(folder: Path, artifacts: Path, made: list[str]) -> None:
    if folder.is_symlink():
        raise Conflict(f"{folder} is a symbolic link; remove it first. Nothing was made")
    policies = folder / "policies"
    for each in (folder, policies):
        if not each.is_dir():
            each.mkdir()
            made.append(str(each))
    # git keeps no empty folder, and the team should get this one with its clone.
    for path, content in (
        (folder / "config.toml", CONFIG),
        (folder / ".gitignore", IGNORED),
        (policies / ".gitkeep", ""),
    ):
        if not path.exists():
            path.write_text(content)
            made.append(str(path))
    artifacts.mkdir(mode=0o700, exist_ok=True)
    link = folder / "artifacts"
    if not link.is_symlink() and not link.exists():
        link.symlink_to(artifacts)
        made.append(str(link))


@click.command(cls=Verb)
@click.option("--list", "only_list", is_flag=True, help="Only show what would be trusted.")
@click.pass_obj
def trust(face: Face, only_list: bool) -> None:
    """Allow the commands that this checkout's files name, as they are now; changed ones ask again."""
    daemon = face.daemon()
    checkout = str(face.repository.top)
    if only_list:
        items = daemon.get(f"{PREFIX}/trust", {"checkout": checkout})
    else:
        items = daemon.post(f"{PREFIX}/trust", {"checkout": checkout})
    if face.json:
        face.document(items)
        return
    for item in items:
        face.fields(item.items())
    if not items:
        face.hint("nothing here asks for trust")
