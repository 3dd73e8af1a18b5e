"""`codencer land`: the only command that touches the user's branch or checkout."""

import click

from codencer.cli.face import Face, absolute
from codencer.cli.group import Verb
from codencer.client.daemon import path
from codencer.errors import InvalidInput


@click.command(cls=Verb)
@click.argument("step")
@click.argument("target", required=False)
@click.option(
    "--as",
    "form",
    type=click.Choice(["commit", "branch", "patch"]),
    default="commit",
    help="A commit here (default), a new branch TARGET, or a patch file TARGET.",
)
@click.option("--force", is_flag=True, help="Although the step did not succeed.")
@click.pass_obj
def land(face: Face, step: str, target: str | None, form: str, force: bool) -> None:
    """Bring the changes of STEP here. What does not fit is refused, and nothing changes then.

    Of what has landed already it says so, and changes nothing either.
    """
    if form == "commit" and target is not None:
        raise InvalidInput(f"a commit lands on the branch that is checked out here; what is {target!a} for?")
    if form != "commit" and target is None:
        raise InvalidInput(f"--as {form} needs a name: codencer land {step} --as {form} NAME")
    if form == "patch" and target is not None:
        target = absolute(target)
    body = {"checkout": str(face.repository.top), "form": form, "target": target, "force": force}
    landed = face.daemon().call("POST", path("steps", step, "land"), body=body, timeout=None)
    if landed["already"]:
        face.hint("It has landed before, and is still there; nothing was done now.")
    face.show(landed, [(name, value) for name, value in landed.items() if name != "already"])
