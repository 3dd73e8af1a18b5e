"""`codencer version`, `instance`, `adapters`: what this is and what it can use."""

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
    rows = (
        (
            each["name"],
            "yes" if each["installed"] and not each["problem"] else "no",
            each["version"],
            each["problem"] or "; ".join(each["warnings"]),
        )
        for each in found
    )
    face.listing(found, ("NAME", "USABLE", "VERSION", "PROBLEM"), rows)
