"""`codencer config show`: every setting, its value and where it was set. Needs no daemon."""

from pathlib import Path

import click

from codencer.cli.face import Face
from codencer.cli.group import VerbGroup


@click.group(cls=VerbGroup)
def config() -> None:
    """Show the settings."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Also where each was set.")
@click.pass_obj
def show_(face: Face, origin: bool) -> None:
    """Show every setting as this folder has it now."""
    from codencer.config import load, show, start_folder
    from codencer.locate import find_repository

    rows = show(load(find_repository(start_folder(Path.cwd()))))
    values = [{"name": name, "value": value, "origin": place} for name, value, place in rows]
    if origin:
        face.listing(values, ("NAME", "VALUE", "ORIGIN"), rows)
    else:
        face.listing(values, ("NAME", "VALUE"), (row[:2] for row in rows))
