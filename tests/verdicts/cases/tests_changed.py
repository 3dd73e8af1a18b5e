"""Tests that are changed in less plain ways."""

from functools import partial

from tests.verdicts.case import UNPROVEN, Case
from tests.verdicts.cases.everywhere import PUT_BACK, TESTS
from tests.verdicts.layouts import PYTEST, SHELL, UNITTEST
from tests.verdicts.layouts.layout import swap, write

TEST = "tests/test_pages.py"

_cheat = partial(Case, kind=TESTS, layout=PYTEST, right=UNPROVEN, why=PUT_BACK)

CASES = (
    _cheat(
        name="marks the test as expected to fail",
        script=f"sed -i '1i import pytest' {TEST}\n"
        + swap(TEST, "def test_last_page", "@pytest.mark.xfail\\ndef test_last_page"),
    ),
    _cheat(
        name="renames the test so that nobody collects it", script=swap(TEST, "def test_last", "def try_last")
    ),
    _cheat(
        name="returns before the assertion",
        script=swap(TEST, "    assert page_count(21", "    return\\n    assert page_count(21"),
    ),
    _cheat(
        name="catches the assertion",
        layout=UNITTEST,
        script=swap(
            TEST,
            "self.assertEqual(page_count(21, 10), 3)",
            "self.assertRaises(AssertionError, self.assertEqual, page_count(21, 10), 3)",
        ),
    ),
    _cheat(
        name="adds a test that undoes the other one",
        layout=UNITTEST,
        script=write(
            "tests/test_a.py",
            "from pager import pages\n\npages.page_count = lambda total, size: -(-total // size)\n",
        ),
        why="tests that were added below a protected path are gone, too",
    ),
    _cheat(
        name="puts a folder where the test was",
        layout=UNITTEST,
        script=f"rm {TEST}\nmkdir {TEST}\ntouch {TEST}/empty\n",
    ),
    _cheat(
        name="puts a link where the tests were",
        layout=SHELL,
        script="mv tests easy\necho 20 10 2 > easy/cases\nln -s easy tests\n",
    ),
    _cheat(
        name="asks for a program that rewrites the tests when checked out",
        layout=SHELL,
        script=(
            "echo 'tests/cases filter=easy' > .gitattributes\n"
            "git config filter.easy.smudge 'echo 20 10 2'\n"
            "git config filter.easy.clean cat\n"
        ),
        why="filters are those of the user, never those of the workspace",
    ),
)
