"""The only room that knows all the others: takes tasks in and walks attempts to their end."""

from codencer.engine.engine import Engine, mode
from codencer.engine.intake.submission import Submission

__all__ = ["Engine", "Submission", "mode"]
