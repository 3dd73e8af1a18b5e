"""The cases: each hands real tasks to a real daemon and compares what comes out with what must.

work         what an agent is for: changed files, told, validated
permissions  an agent that is refused, or asks a person
faults       a model that fails
stops        cancelled, out of time, its daemon killed
many         several attempts: one after another, and at the same time
"""

from codencer.testing.conformance.case import Case
from codencer.testing.conformance.cases import faults, many, permissions, stops, work

CASES: tuple[Case, ...] = (*work.CASES, *permissions.CASES, *faults.CASES, *stops.CASES, *many.CASES)

NAMES: tuple[str, ...] = tuple(each.name for each in CASES)
