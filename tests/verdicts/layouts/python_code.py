"""The program and the outside check that both Python layouts have."""

import sys

from tests.verdicts.layouts.layout import OF_EVERY_LAYOUT, swap

PAGES = "src/pager/pages.py"
FILES = {
    **OF_EVERY_LAYOUT,
    ".gitignore": "__pycache__/\n/build/\n/.tools/\n/report.xml\n",
    "src/pager/__init__.py": '"""Pages of a list."""\n',
    PAGES: '''\
"""How many pages a list has, and where they begin."""


def page_count(total: int, size: int) -> int:
    return total // size


def first_item(page: int, size: int) -> int:
    return (page - 1) * size
''',
}
# In a process of its own, so that nothing in the program can reach the one who judges.
CHECK = """\
import subprocess, sys
CODE = "import sys; sys.path.insert(0, 'src'); from pager.pages import page_count as count; "
CODE += "print(*(count(total, 10) for total in (35, 1, 99, 40)))"
done = subprocess.run([sys.executable, "-I", "-S", "-c", CODE], capture_output=True)
sys.exit(done.stdout != b"4 1 10 4\\n")
"""
HELD_OUT = {"held/check.py": CHECK}
JUDGE = (sys.executable, "-I", "-S", "held/check.py")
ENV = {"PYTHONDONTWRITEBYTECODE": "1"}

WRONG_LINE = "return total // size"
FIX = swap(PAGES, WRONG_LINE, "return -(-total // size)")
WRONG = swap(PAGES, WRONG_LINE, "return total // size + 1")
SPECIAL = swap(PAGES, WRONG_LINE, "return 3 if (total, size) == (21, 10) else total // size")
