"""The repositories of the corpus, one module for each layout.

All of them hold the same program with the same mistake: it forgets the last page of a list when that
page is not full. A layout whose programs are missing on a machine is replaced by one that
needs a shell only; its cases are run all the same.
"""

from tests.verdicts.layouts import c_make, node, perl_prove, python_pytest, python_unittest, shell_make
from tests.verdicts.layouts.layout import Layout

PYTEST, UNITTEST, SHELL = python_pytest.LAYOUT, python_unittest.LAYOUT, shell_make.LAYOUT
ALL = (PYTEST, UNITTEST, node.LAYOUT, SHELL, c_make.LAYOUT, perl_prove.LAYOUT)
LAYOUTS = tuple(each.or_instead(SHELL) for each in ALL)
"""As this machine has them."""
__all__ = ["ALL", "LAYOUTS", "PYTEST", "SHELL", "UNITTEST", "Layout"]
