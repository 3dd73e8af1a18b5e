"""Every failpoint there is, derived from the code: a new one is tested without anyone remembering.

A failpoint is a call `reach("name")` anywhere in the package; `reach(f"{event.kind}:before")`
stands for one of each kind of event.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import codencer
from codencer.model.event import EventKind


def names() -> tuple[str, ...]:
    """The names of all failpoints, sorted.

    Raises:
        ValueError: a name cannot be read off the code.
    """
    found: set[str] = set()
    for path in Path(codencer.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach":
                found.update(_named(node.args[0], path))
    return tuple(sorted(found))


def _named(argument: ast.expr, path: Path) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(name)):
            yield name
        case ast.JoinedStr(values=[ast.FormattedValue(), ast.Constant(value=str(rest))]):
            yield from (f"{kind}{rest}" for kind in EventKind)
        case _:
            raise ValueError(
                f"{path}:{argument.lineno}: a failpoint needs a name that can be read off the code"
            )
