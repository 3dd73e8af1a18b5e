"""`codencer completion SHELL`: the script a shell evaluates to complete our verbs."""

import click
from click.shell_completion import get_completion_class

from codencer.cli.face import Face
from codencer.cli.group import Verb

_HOW = {
    "bash": 'eval "$(codencer completion bash)"  # in ~/.bashrc',
    "zsh": 'eval "$(codencer completion zsh)"  # in ~/.zshrc',
    "fish": "codencer completion fish > ~/.config/fish/completions/codencer.fish",
}


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    face = ctx.ensure_object(Face)
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    program = ctx.find_root().info_name or "codencer"
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    script = kind(ctx.find_root().command, {}, program, variable).source()
    if face.json:
        face.document({"shell": shell, "script": script})
    else:
        face.line(script)
        face.hint(f"to use it: {_HOW[shell]}")
