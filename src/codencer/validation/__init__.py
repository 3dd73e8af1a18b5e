"""Validations: commands the bridge runs itself, on a tree the agent could not arrange.

This room turns a `ValidationSpec` into a launch, what a launch left into the outcome of one run, and
the outcomes of all its runs, here and on the base, into a result. It starts nothing.
"""

from codencer.validation.check import check_spec, launch, report_path
from codencer.validation.compare import conclude, merge
from codencer.validation.verdict import judge_run

__all__ = ["check_spec", "conclude", "judge_run", "launch", "merge", "report_path"]
