"""One run of the corpus, or of a part of it, and its report."""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.verdicts.case import Case
from tests.verdicts.cases import CASES
from tests.verdicts.matrix import falsely, matrix
from tests.verdicts.page import render
from tests.verdicts.stage import Outcome, stage


def judge(cases: Sequence[Case], *, careless: bool = False) -> list[Outcome]:
    """Run cases together on one daemon; also checks that the user's repository stays as it is.

    Args:
        careless: submit the tasks of somebody who believes an exit code, to see what cheats get past that.
    """
    with stage() as made:
        before = made.look()
        outcomes = made.play(cases, careless=careless)
        assert made.look() == before, "an agent has changed the user's repository"
    return outcomes


def report(outcomes: Sequence[Outcome]) -> str:
    """The matrix, how many verdicts were false, and every case that came out otherwise than is right."""
    accepts, rejects = falsely(outcomes)
    wrong = [
        f"{each.case.name}: {each.state}, right is {each.case.right}; {each.summary}\n"
        for each in outcomes
        if not each.right
    ]
    table = matrix((each.case.right, each.state) for each in outcomes)
    return (
        f"{table}\n"
        f"{len(outcomes)} cases, {len(accepts)} false accepts, {len(rejects)} false rejects\n"
        f"{''.join(wrong)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.verdicts", description="Run the verdict corpus.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases whose name or kind contains one")
    parser.add_argument("--careless", action="store_true", help="what who believes an exit code would accept")
    parser.add_argument("--page", action="store_true", help="print docs/verdicts.md instead")
    given = parser.parse_args()
    if given.page:
        sys.stdout.write(render())
        return 0
    words = given.words
    chosen = [
        case for case in CASES if not words or any(word in f"{case.kind}: {case.name}" for word in words)
    ]
    began = time.monotonic()
    outcomes = judge(chosen, careless=given.careless)
    sys.stdout.write(f"{report(outcomes)}in {time.monotonic() - began:.0f} s\n")
    return 0 if all(each.right for each in outcomes) else 1
