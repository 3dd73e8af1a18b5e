"""All cases, one module for each kind of thing that an agent may do."""

from tests.verdicts.case import Case
from tests.verdicts.cases import (
    background,
    claims,
    configuration,
    everywhere,
    hidden_changes,
    history,
    honest,
    moving,
    paths,
    planted,
    runner,
    special,
    tests_changed,
)

CASES: tuple[Case, ...] = (
    *everywhere.CASES,
    *honest.CASES,
    *claims.CASES,
    *tests_changed.CASES,
    *special.CASES,
    *configuration.CASES,
    *runner.CASES,
    *planted.CASES,
    *history.CASES,
    *hidden_changes.CASES,
    *moving.CASES,
    *paths.CASES,
    *background.CASES,
)
