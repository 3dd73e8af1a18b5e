"""Validations: commands the bridge runs itself, on a tree the agent could not arrange.

This room turns a `ValidationSpec` into a launch and a launch's exit record into a result. It
starts nothing. Only an exit code of 0 passes; a command that gave no verdict has errored.
"""

from codencer.validation.check import check_supported, launch
from codencer.validation.verdict import conclude

__all__ = ["check_supported", "conclude", "launch"]
