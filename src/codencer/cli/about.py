"""`codencer version`, `instance`, `adapters`: what this is and what it can use."""

from typing import Any

import click

from codencer import API_VERSION, __version__
from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import PREFIX


@click.command(cls=Verb)
@click.pass_obj
def version(face: Face) -> None:
    """Print the version."""
    if face.json:
        face.document({"version": __version__, "api_version": API_VERSION})
    else:
        face.line(f"codencer {__version__}")


@click.command(cls=Verb)
@click.pass_obj
def instance(face: Face) -> None:
    """Show the daemon's addresses and folders."""
    found = face.daemon().get(f"{PREFIX}/instance")
    face.show(found, found.items())


@click.command(cls=Verb)
@click.pass_obj
def adapters(face: Face) -> None:
    """List the agents and whether they can be used here."""
    found = face.daemon().get(f"{PREFIX}/adapters")
    face.listing(
        found, ("NAME", "SOURCE", "INSTALLED", "VERSION", "VERIFIED", "SIGNED IN", "NOTE"), map(_row, found)
    )


_ANSWERS = {True: "yes", False: "no", None: "unknown"}
_INSIDE = {True: " (inside)", False: " (outside)", None: ""}


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    return (
        each["name"],
        each["source"],
        _ANSWERS[each["installed"]],
        each["version"],
        each["verified"] + _INSIDE[each["version_verified"]],
        _ANSWERS[each["signed_in"]],
        "; ".join([each["problem"], *each["warnings"]] if each["problem"] else each["warnings"]),
    )
