"""The size of the house: small modules, short functions, few parameters, a docstring each.

Raised only on purpose. Complexity is ruff's (C90); the direction of imports is import-linter's.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "src" / "codencer"
MODULE_LINES = 400
TEST_MODULE_LINES = 500
"""A room's cases stay together a little longer than its code."""
MEDIAN_MODULE_LINES = 150
FUNCTION_LINES = 60
PARAMETERS = 7
DOCSTRING_LINES = 40
SCRIPT_LINES = 30

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules(*, product_only: bool = False) -> tuple[Path, ...]:
    """Every module of ours; the program that the demo mends is data."""
    folders = [PACKAGE] if product_only else [PACKAGE, TOP / "bench", TOP / "scripts", TOP / "tests"]
    found = (path for folder in folders for path in folder.rglob("*.py"))
    return tuple(sorted(path for path in found if "demo_files" not in path.parts))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(parse(path)) if isinstance(node, Function))


def name(path: Path) -> str:
    return str(path.relative_to(TOP))


def test_no_module_is_longer_than_its_budget() -> None:
    def budget(path: Path) -> int:
        return TEST_MODULE_LINES if TOP / "tests" in path.parents else MODULE_LINES

    assert {name(path): lines(path) for path in modules() if lines(path) > budget(path)} == {}


def test_the_median_module_is_short() -> None:
    counted = [lines(path) for path in modules(product_only=True) if lines(path) > 1]
    assert median(counted) <= MEDIAN_MODULE_LINES


def test_no_function_is_longer_than_its_budget() -> None:
    long = {
        f"{name(path)}:{each.lineno} {each.name}": each.end_lineno - each.lineno + 1
        for path in modules()
        for each in functions(path)
        if each.end_lineno is not None and each.end_lineno - each.lineno >= FUNCTION_LINES
    }
    assert long == {}


def parameters(function: Function) -> int:
    """How many parameters a caller sees: self and cls are not counted."""
    given = function.args
    names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    own = bool(names) and names[0] in {"self", "cls"}
    return len(names) - own + (given.vararg is not None) + (given.kwarg is not None)


def test_no_function_takes_more_parameters_than_its_budget() -> None:
    wide = {
        f"{name(path)}:{each.lineno} {each.name}": parameters(each)
        for path in modules(product_only=True)
        for each in functions(path)
        if parameters(each) > PARAMETERS
    }
    assert wide == {}


def test_every_module_says_what_it_owns_and_not_much_more() -> None:
    wrong = {
        name(path): len(text.splitlines())
        for path in modules()
        for text in [ast.get_docstring(parse(path)) or ""]
        if not 0 < len(text.splitlines()) <= DOCSTRING_LINES
    }
    assert wrong == {}


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in modules(product_only=True)}
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("program", ["supervisor", "relay"])
def test_what_is_copied_is_one_file_that_needs_only_the_standard_library(program: str) -> None:
    path = PACKAGE / f"{program}.py"
    imported = {
        target.split(".")[0]
        for node in ast.walk(parse(path))
        for target in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_every_script_is_a_page_at_most() -> None:
    scripts = [path for path in (TOP / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert {
        name(path): lines(path) for path in [*scripts, TOP / ".ci/run"] if lines(path) > SCRIPT_LINES
    } == {}
