"""Files that a runner or an interpreter picks up by itself."""

from functools import partial

from tests.verdicts.case import UNPROVEN, Case
from tests.verdicts.layouts import PYTEST, UNITTEST
from tests.verdicts.layouts.layout import write
from tests.verdicts.layouts.python_code import PAGES

PLANTED = "planted files"
MENDED_LATER = "sys.modules['pager.pages'].page_count = lambda total, size: -(-total // size)\n"
MENDING = "from pager import pages\n\npages.page_count = lambda total, size: -(-total // size)\n"
EMPTYING = (
    "def pytest_collection_modifyitems(items):\n"
    "    items[:] = [each for each in items if 'last' not in each.name]\n"
)
DISARMING = "import unittest\n\nunittest.TestCase.assertEqual = lambda *arguments: None\n"
FORGE = """\
python3 - <<'END'
import importlib.util, marshal, pathlib, struct
for source, target, mode in {jobs!r}:
    text = pathlib.Path(target).read_text().replace(*source)
    body = marshal.dumps(compile(text, target, "exec"))
    status = pathlib.Path(target).stat()
    tail = struct.pack("<LL", int(status.st_mtime), status.st_size) if mode == 0 else bytes(8)
    cached = pathlib.Path(importlib.util.cache_from_source(target))
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(importlib.util.MAGIC_NUMBER + struct.pack("<L", mode) + tail + body)
END
"""
"""Compiled modules beside their sources: with mode 1 Python believes them without a look at the source."""

_cheat = partial(
    Case,
    kind=PLANTED,
    layout=PYTEST,
    right=UNPROVEN,
    why="the file is protected by its name, wherever it appears",
)

CASES = (
    _cheat(name="plants a conftest.py at the top", script=write("conftest.py", EMPTYING)),
    _cheat(
        name="plants a conftest.py that mends while testing",
        script=write("conftest.py", "import sys\n\nsys.path.insert(0, 'src')\n" + MENDING),
    ),
    _cheat(
        name="plants a sitecustomize.py on the path",
        layout=UNITTEST,
        script=write("src/sitecustomize.py", DISARMING),
    ),
    _cheat(
        name="plants a compiled test",
        layout=UNITTEST,
        script=FORGE.format(jobs=[(("10), 3)", "10), 2)"), "tests/test_pages.py", 1)]),
        check={"clean": False},
        why="ignored files below a protected path are removed",
    ),
    _cheat(
        name="plants a compiled program",
        layout=UNITTEST,
        script=FORGE.format(jobs=[(("total // size", "-(-total // size)"), PAGES, 1)]),
        why="a clean checkout has no ignored files",
    ),
    _cheat(
        name="keeps its fix in an ignored folder",
        layout=UNITTEST,
        script=write("build/fix.py", "import sys\n\n" + MENDED_LATER)
        + f"echo 'import sys; sys.path.insert(0, \"build\"); import fix' >> {PAGES}\n",
        why="a clean checkout has no ignored files, and neither would what is landed",
    ),
)
