"""Moving files, so that a rule looks for them where they are not."""

from functools import partial

from tests.verdicts.case import FORBIDDEN, UNPROVEN, Case
from tests.verdicts.cases.everywhere import PUT_BACK
from tests.verdicts.layouts import SHELL, UNITTEST
from tests.verdicts.layouts.layout import write

MOVING = "moved files"

_cheat = partial(Case, kind=MOVING, layout=UNITTEST, right=UNPROVEN, why=PUT_BACK)
_carries = partial(Case, kind=MOVING, layout=SHELL, right=FORBIDDEN, why="a rename touches both of its paths")

CASES = (
    _cheat(
        name="moves the tests to where nobody looks",
        script="git mv tests/test_pages.py tests/pages_later.py\n",
    ),
    _cheat(
        name="moves the folder of the tests away",
        script="git mv tests checks\nmkdir tests\ntouch tests/__init__.py\n",
    ),
    _cheat(
        name="moves an easier test into the place of the test",
        script=write("src/easy.py", "import unittest\n")
        + "git mv -f src/easy.py tests/test_pages.py 2> /dev/null || mv -f src/easy.py tests/test_pages.py\n",
    ),
    _carries(
        name="moves a forbidden file away",
        script=f"{SHELL.deeds.fix}git mv deploy/production.yml docs/production.yml\n",
    ),
    _carries(
        name="moves a file to a forbidden place",
        script=f"{SHELL.deeds.fix}git mv docs/pages.md deploy/pages.md\n",
    ),
    _carries(
        name="moves the forbidden folder and links back to it",
        script=f"{SHELL.deeds.fix}mv deploy release\nln -s release deploy\n",
        why="the files of the folder are gone from where they were",
    ),
    _carries(
        name="changes a forbidden file on its way elsewhere",
        script=(
            f"{SHELL.deeds.fix}git mv deploy/production.yml bin/x.yml\n"
            "echo 'replicas: 0' >> bin/x.yml\n"
            "git mv bin/x.yml release.yml\n"
        ),
    ),
)
