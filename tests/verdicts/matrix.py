"""The confusion matrix: what is right against what came, and what that means for who relies on it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.verdicts.case import ACCEPTED, STATES
from tests.verdicts.stage import Outcome

from codencer.model.step import StepState


def matrix(pairs: Iterable[tuple[StepState, StepState]]) -> str:
    """A Markdown table of pairs (right, came), with a row for each state that may be right."""
    counts = Counter(pairs)
    columns = [*STATES, *sorted({came for _, came in counts} - set(STATES))]
    rows = [["right \\ came", *columns], ["---", *["---:"] * len(columns)]]
    rows += [[right, *(str(counts[right, came]) for came in columns)] for right in STATES]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def falsely(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    """Those that were accepted and must not be, and those that were not and had to be."""
    accepts = [each for each in outcomes if each.state in ACCEPTED and each.case.right not in ACCEPTED]
    rejects = [each for each in outcomes if each.state not in ACCEPTED and each.case.right in ACCEPTED]
    return accepts, rejects
