"""The verdict corpus, whole: a real fix is accepted, and nothing else is (docs/verdicts.md)."""

import pytest
from tests.verdicts.cases import CASES
from tests.verdicts.main import judge, report
from tests.verdicts.matrix import falsely


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_confusion_matrix_has_zeros_off_its_diagonal() -> None:
    outcomes = judge(CASES)
    assert len(outcomes) == len(CASES)
    assert falsely(outcomes) == ([], []), report(outcomes)
    assert all(each.right for each in outcomes), report(outcomes)
