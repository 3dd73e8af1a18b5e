"""Exit codes of the CLI, from the state of what was asked about.

0 done · 1 usage, not found, conflict · 2 goal not met · 3 timeout · 4 a person is needed ·
5 infrastructure · 130 interrupted. Errors carry their own code (`codencer.errors`).
"""

OK, USAGE, NOT_MET, TIMEOUT, PERSON, INFRASTRUCTURE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

_STEPS = {
    "completed": OK,
    "completed_with_warnings": OK,
    "failed_terminal": NOT_MET,
    "failed_validation": NOT_MET,
    "failed_retryable": NOT_MET,
    "timeout": TIMEOUT,
    "needs_approval": PERSON,
    "needs_manual_attention": PERSON,
    "cancelled": PERSON,
    "failed_bridge": INFRASTRUCTURE,
    "failed_adapter": INFRASTRUCTURE,
}

_RUNS = {"failed": NOT_MET, "paused_for_gate": PERSON, "cancelled": PERSON}


def exit_code_for(step_state: str) -> int:
    """The code for a step in this state; 0 while it is under way, because nothing went wrong."""
    return _STEPS.get(step_state, OK)


def exit_code_for_run(run_state: str) -> int:
    return _RUNS.get(run_state, OK)


def exit_code_for_steps(states: list[str]) -> int:
    """The code of a run whose steps are all settled: a waiting person first, else as `finish` would."""
    if any(state in ("needs_approval", "needs_manual_attention") for state in states):
        return PERSON
    return OK if states and all(exit_code_for(state) == OK for state in states) else NOT_MET
