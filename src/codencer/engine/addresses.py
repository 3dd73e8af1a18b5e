"""From what people type to the one record they mean.

Accepted: a full id, a planner's name (`RUN/STEP`, or the step's alone within a known run), a
unique beginning or end of at least four characters, or `latest`.
"""

from codencer.errors import Conflict, NotFound
from codencer.ledger import Queries
from codencer.model.ids import SHORTEST_ADDRESS, IdKind
from codencer.model.run import Run

LATEST = "latest"

_NOUNS = {
    IdKind.STEP: "step",
    IdKind.ATTEMPT: "attempt",
    IdKind.GATE: "gate",
    IdKind.ARTIFACT: "artifact",
    IdKind.QUESTION: "question",
}


def run_address(queries: Queries, text: str) -> Run:
    """The run of that name, or the newest one for `latest`.

    Raises:
        NotFound: there is none.
    """
    run = queries.run(text)
    if run is None and text == LATEST:
        run = max(queries.runs(), key=lambda each: each.created_at, default=None)
    if run is None:
        raise NotFound(f"there is no run {text!r}; `codencer run list` shows those there are")
    return run


def step_address(queries: Queries, text: str, *, run_id: str | None = None) -> str:
    """The id of the step that `text` means."""
    if run_id is not None and (named := queries.step_named(run_id, text)):
        return named.id
    run, slash, name = text.partition("/")
    if slash:
        step = queries.step_named(run, name)
        if step is None:
            raise NotFound(f"run {run!r} has no step {name!r}; `codencer step list {run}` shows them")
        return step.id
    return identifier(queries, IdKind.STEP, text)


def identifier(queries: Queries, kind: IdKind, text: str) -> str:
    """The one id of a kind that `text` means.

    Raises:
        NotFound: none fits. Conflict: several do; the message lists some.
    """
    noun = _NOUNS[kind]
    if text == LATEST:
        newest = queries.latest(kind)
        if newest is None:
            raise NotFound(f"there is no {noun} yet")
        return newest
    if len(text) < SHORTEST_ADDRESS:
        raise NotFound(f"{text!r} is too short to name a {noun}: type at least {SHORTEST_ADDRESS} characters")
    found = queries.find_ids(kind, text)
    if not found:
        raise NotFound(f"there is no {noun} {text!r}")
    if len(found) > 1:
        raise Conflict(f"{text!r} fits several {noun}s ({', '.join(found)}, …): type more of it")
    return found[0]
