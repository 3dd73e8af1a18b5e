"""Commands of click with what every verb of ours shares: lazy import, `--json`, `--no-autostart`."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from codencer.cli.face import Face


@dataclass(frozen=True, kw_only=True)
class Lazy:
    """Where a verb is (`module:attribute`) and its line in the help, so that help imports nothing."""

    place: str
    help: str


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are called."""

    def __init__(self, *args: Any, verbs: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._verbs, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self._verbs.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = lazy.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self._verbs.items()])


class Verb(click.Command):
    """A verb: has `--json` and `--no-autostart`, and gets a `Face` as its first argument."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _JSON, _NO_AUTOSTART]

    def invoke(self, ctx: click.Context) -> Any:
        ctx.obj = ctx.find_object(Face) or Face()
        ctx.obj.json = ctx.params.pop("json")
        ctx.obj.autostart = not ctx.params.pop("no_autostart")
        return super().invoke(ctx)


_JSON = click.Option(["--json"], is_flag=True, help="Print exactly one JSON document on stdout.")
_NO_AUTOSTART = click.Option(["--no-autostart"], is_flag=True, help="Do not start a daemon for this.")


class VerbGroup(click.Group):
    """A group of verbs defined in one module."""

    command_class = Verb
