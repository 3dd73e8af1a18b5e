"""What is written can be read: every kind of event, and the rows derived from it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from codencer.errors import Conflict, InvalidInput, LedgerFailed, NotFound
from codencer.ledger import Ledger, Transaction, verify
from codencer.model.attempt import Attempt, AttemptState, Snapshot
from codencer.model.dialogue import Option
from codencer.model.event import EventKind
from codencer.model.gate import GateState
from codencer.model.ids import IdKind, new_id
from codencer.model.run import RunState
from codencer.model.step import SETTLED_STATES, AdapterSettings, FrozenSettings, Step, StepState

Body = dict[str, object]
Example = Callable[..., Body]
Walk = Callable[[Transaction, str, str], tuple[str, str, str]]
StartRun = Callable[[str], Callable[[Transaction], None]]
Ids = tuple[str, str, str]


@pytest.fixture
async def walked(ledger: Ledger, walk: Walk, start_run: StartRun) -> Ids:
    """One run, and one step with every kind of event; ids of step, attempt and gate."""
    await ledger.write(start_run("one"))
    return await ledger.write(lambda tx: walk(tx, "one", "parser"))


async def test_every_kind_of_event_can_be_recorded_and_replayed(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    await ledger.write(lambda tx: tx.append(EventKind.DAEMON_STARTED, example(EventKind.DAEMON_STARTED)))
    for kind in (EventKind.RUN_BUDGETED, EventKind.RUN_ADVANCED):
        await ledger.write(lambda tx, kind=kind: tx.append(kind, example(kind), run_id="one"))  # type: ignore[misc]
    events = await ledger.read(lambda q: q.events())
    assert {event.kind for event in events} == set(EventKind)
    report = verify(ledger.path)
    assert report.ok, report
    assert (report.events, report.hash) == await ledger.read(lambda q: q.head())


async def test_a_step_is_what_its_events_say(ledger: Ledger, walked: Ids, example: Example) -> None:
    step = await ledger.read(lambda q: q.step(walked[0]))
    assert isinstance(step, Step)
    body = example(EventKind.STEP_SUBMITTED)
    assert (step.task, step.provenance) == (body["task"], body["provenance"])
    assert (step.run_id, step.name, step.position, step.attempts) == ("one", "parser", 1, 1)
    assert step.base == example(EventKind.BASE_PINNED)["base"]
    assert step.latest_attempt_id == walked[1]
    assert step.landed == ("branch fix " + "f" * 40,)
    # A retry clears what the failure before it left behind, the request to cancel too.
    assert (step.state, step.summary, step.reason, step.retryable) == (StepState.PENDING, "", "", False)
    assert (step.cancel_requested, step.adapter, step.feedback) == (False, "other", "try harder")
    frozen = body["frozen"]
    assert isinstance(frozen, FrozenSettings)
    retried_with = example(EventKind.STEP_RETRIED)["adapter_settings"]
    assert isinstance(retried_with, AdapterSettings)
    assert step.frozen == replace(frozen, adapter=retried_with)
    assert step.revision == 2, "the answered gate and the retry"


async def test_a_landing_is_unfinished_until_it_is_over(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    async def record(kind: EventKind) -> list[int]:
        await ledger.write(lambda tx: tx.append(kind, example(kind), step_id=walked[0]))
        return [each.seq for each in await ledger.read(lambda q: q.unfinished_landings())]

    assert await ledger.read(lambda q: q.unfinished_landings()) == []
    seq, _ = await ledger.read(lambda q: q.head())
    assert await record(EventKind.STEP_LANDING) == [seq + 1]
    assert await record(EventKind.STEP_LANDING_UNDONE) == []
    assert await record(EventKind.STEP_LANDING) == [seq + 3]
    assert await record(EventKind.STEP_LANDED) == []
    assert [each.seq for each in await ledger.read(lambda q: q.landings(walked[0]))][-1] == seq + 4


async def test_an_attempt_is_what_its_events_say(ledger: Ledger, walked: Ids, example: Example) -> None:
    attempt = await ledger.read(lambda q: q.attempt(walked[1]))
    assert isinstance(attempt, Attempt)
    assert attempt == (await ledger.read(lambda q: q.attempts(walked[0])))[0]
    assert (attempt.run_id, attempt.step_id, attempt.number) == ("one", walked[0], 1)
    assert attempt.state is AttemptState.ENDED
    assert attempt.result_state is StepState.COMPLETED
    assert attempt.released
    assert attempt.timings == {"prepare": 12, "run": 900}
    assert attempt.agent_pid == 4242
    for kind, names in (
        (EventKind.WORKSPACE_READY, ("workspace", "provisioning")),
        (EventKind.AGENT_LAUNCHING, ("launch", "adapter_version", "trust_level")),
        (EventKind.AGENT_HALTED, ("halt",)),
        (EventKind.AGENT_EXITED, ("exit", "outcome")),
        (EventKind.POLICY_DECIDED, ("verdict", "facts")),
    ):
        for name in names:
            assert getattr(attempt, name) == example(kind)[name], name
    assert attempt.scope == example(EventKind.SCOPE_WATCHED)["report"]
    assert attempt.pauses == (example(EventKind.AGENT_PAUSED)["pause"],)
    taken = example(EventKind.SNAPSHOT_TAKEN)["snapshot"]
    assert isinstance(taken, Snapshot)
    assert attempt.snapshot == replace(taken, expired=True)


async def test_evidence_and_gates_are_found(ledger: Ledger, walked: Ids, example: Example) -> None:
    step_id, attempt_id, gate_id = walked
    (artifact,) = await ledger.read(lambda q: q.artifacts(attempt_id))
    assert artifact == await ledger.read(lambda q: q.artifact(artifact.id))
    (result,) = await ledger.read(lambda q: q.validations(attempt_id))
    assert result == example(EventKind.VALIDATION_FINISHED)["result"]
    (gate,) = await ledger.read(lambda q: q.gates("one", GateState.APPROVED))
    assert gate == await ledger.read(lambda q: q.gate(gate_id))
    assert (gate.step_id, gate.reasons, gate.note) == (step_id, ("no tests",), "fine")
    assert await ledger.read(lambda q: q.gates("one", GateState.OPEN)) == []
    assert await ledger.read(lambda q: q.gates("other")) == []


async def test_a_question_is_answered_once_and_void_when_its_agent_is_gone(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    attempt_id = walked[1]

    async def ask(question_id: str, key: str) -> None:
        body = example(EventKind.QUESTION_ASKED, question_id=question_id, key=key)
        await ledger.write(lambda tx: tx.append(EventKind.QUESTION_ASKED, body, attempt_id=attempt_id))

    async def answer(question_id: str, option: str | None) -> None:
        body = example(EventKind.QUESTION_ANSWERED, question_id=question_id, option=option)
        await ledger.write(lambda tx: tx.append(EventKind.QUESTION_ANSWERED, body, attempt_id=attempt_id))

    await ask("qst_a", "answer-2")
    with pytest.raises(Conflict):
        await ask("qst_b", "answer-2")
    first, second = await ledger.read(lambda q: q.questions(attempt_id))
    assert (first.state, first.option, first.by, first.actor) == ("answered", "yes", "person", "ann")
    assert first.options == tuple(_options(example))
    assert first.allowed
    assert (second.id, second.state, second.allowed) == ("qst_a", "void", False), "the agent has ended"
    await answer("qst_a", None)
    with pytest.raises(NotFound):
        await answer("qst_a", "yes")
    (_, second) = await ledger.read(lambda q: q.questions(attempt_id))
    assert (second.state, second.option, second.allowed) == ("answered", None, False)
    assert await ledger.read(lambda q: q.find_ids(IdKind.QUESTION, "qst_a")) == ["qst_a"]
    assert await ledger.read(lambda q: q.latest(IdKind.QUESTION, "one")) == "qst_a"
    assert verify(ledger.path).ok


def _options(example: Example) -> list[Option]:
    options = example(EventKind.QUESTION_ASKED)["options"]
    assert isinstance(options, list)
    return options


async def test_a_later_result_replaces_the_one_of_its_ordinal(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    result = example(EventKind.VALIDATION_FINISHED)["result"]
    await ledger.write(
        lambda tx: tx.append(
            EventKind.VALIDATION_FINISHED, {"ordinal": 1, "result": result}, attempt_id=walked[1]
        )
    )
    await ledger.write(
        lambda tx: tx.append(
            EventKind.VALIDATION_FINISHED, {"ordinal": 0, "result": result}, attempt_id=walked[1]
        )
    )
    assert len(await ledger.read(lambda q: q.validations(walked[1]))) == 2


async def test_times_are_those_of_the_events(ledger: Ledger, walked: Ids) -> None:
    events = await ledger.read(lambda q: q.events(step_id=walked[0]))
    step = await ledger.read(lambda q: q.step(walked[0]))
    attempt = await ledger.read(lambda q: q.attempt(walked[1]))
    assert step is not None
    assert attempt is not None
    assert (step.created_at, step.updated_at) == (events[0].at, events[-1].at)
    about = [event for event in events if event.attempt_id == walked[1]]
    assert (attempt.created_at, attempt.updated_at) == (about[0].at, about[-1].at)


async def test_runs_are_counted_and_filtered(ledger: Ledger, walk: Walk, start_run: StartRun) -> None:
    for run_id in ("b", "a"):
        await ledger.write(start_run(run_id))
    await ledger.write(lambda tx: [walk(tx, "b", name) for name in ("s1", "s2")])
    await ledger.write(
        lambda tx: tx.append(
            EventKind.RUN_ADVANCED, {"state": RunState.RUNNING, "actor": "", "reason": ""}, run_id="b"
        )
    )
    runs = await ledger.read(lambda q: q.runs())
    assert [(run.id, run.steps_total, run.steps_unsettled) for run in runs] == [("b", 2, 2), ("a", 0, 0)]
    assert [run.id for run in await ledger.read(lambda q: q.runs(state=RunState.RUNNING))] == ["b"]
    assert [run.id for run in await ledger.read(lambda q: q.runs(project="shop"))] == ["b", "a"]
    assert await ledger.read(lambda q: q.runs(project="shop", conversation="c")) == []


@pytest.mark.parametrize("state", list(StepState))
async def test_unsettled_is_what_the_model_says(
    ledger: Ledger, walked: Ids, example: Example, state: StepState
) -> None:
    body = example(EventKind.STEP_SETTLED, step_state=state)
    await ledger.write(lambda tx: tx.append(EventKind.STEP_SETTLED, body, step_id=walked[0]))
    run = await ledger.read(lambda q: q.run("one"))
    assert run is not None
    assert run.steps_unsettled == (0 if state in SETTLED_STATES else 1)
    pending = await ledger.read(lambda q: q.pending_steps())
    assert [step.id for step in pending] == ([walked[0]] if state is StepState.PENDING else [])


async def test_names_and_keys_are_unique_as_promised(
    ledger: Ledger, walked: Ids, walk: Walk, start_run: StartRun, example: Example
) -> None:
    with pytest.raises(Conflict):
        await ledger.write(start_run("ONE"))
    with pytest.raises(Conflict):
        await ledger.write(lambda tx: walk(tx, "one", "PARSER"))
    body = example(EventKind.STEP_SUBMITTED, name="free", idempotency_key="key-parser")
    with pytest.raises(Conflict):
        await ledger.write(
            lambda tx: tx.append(EventKind.STEP_SUBMITTED, body, run_id="one", step_id="step_x")
        )
    await ledger.write(start_run("two"))
    await ledger.write(lambda tx: walk(tx, "two", "parser"))
    found = await ledger.read(lambda q: q.step_by_key("two", "key-parser"))
    assert found is not None
    assert (found[0].run_id, found[1]) == ("two", "d1")
    named = await ledger.read(lambda q: q.step_named("one", "Parser"))
    assert named is not None
    assert named.id == walked[0]
    run = await ledger.read(lambda q: q.run("ONE"))
    assert run is not None
    assert run.id == "one"


async def test_artifacts_of_equal_content_never_displace_each_other(
    ledger: Ledger, start_run: StartRun, walk: Walk
) -> None:
    await ledger.write(start_run("one"))
    first = await ledger.write(lambda tx: walk(tx, "one", "s1"))
    second = await ledger.write(lambda tx: walk(tx, "one", "s2"))
    for ids in (first, second):
        assert len(await ledger.read(lambda q, ids=ids: q.artifacts(ids[1]))) == 1  # type: ignore[misc]


async def test_a_try_that_policy_plans_is_kept_until_it_begins(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    def write(tx: Transaction) -> tuple[list[Step], Step | None, Attempt | None]:
        planned = example(EventKind.STEP_RETRY_PLANNED)
        tx.append(EventKind.STEP_RETRY_PLANNED, planned, step_id=walked[0])
        waiting = tx.tried_again_steps()
        begun = {"number": 2, "tries": 2, "fallback": 1, "begins_at": "c" * 40}
        body = example(EventKind.ATTEMPT_STARTED, **begun)
        tx.append(EventKind.ATTEMPT_STARTED, body, step_id=walked[0], attempt_id="att_2")
        return waiting, tx.step(walked[0]), tx.attempt("att_2")

    (waiting,), step, attempt = await ledger.write(write)
    assert (waiting.state, waiting.summary) == (StepState.FAILED_RETRYABLE, "it crashed")
    assert (waiting.next_try, waiting.retryable) == (example(EventKind.STEP_RETRY_PLANNED)["next_try"], True)
    assert step is not None
    assert (step.next_try, step.summary, step.reason) == (None, "", ""), "a cause is not left standing"
    assert attempt is not None
    assert (attempt.tries, attempt.fallback, attempt.begins_at) == (2, 1, "c" * 40)


@pytest.mark.parametrize("kind", sorted(set(EventKind) - {EventKind.DAEMON_STARTED, EventKind.RUN_CREATED}))
async def test_an_event_about_nothing_is_refused_and_leaves_nothing(
    ledger: Ledger, example: Example, kind: EventKind
) -> None:
    made = {EventKind.GATE_OPENED: "gate_id", EventKind.QUESTION_ASKED: "question_id"}
    changes: Body = {made[kind]: "made_x"} if kind in made else {}
    with pytest.raises(NotFound):
        await ledger.write(
            lambda tx: tx.append(
                kind, example(kind, **changes), run_id="none", step_id="step_none", attempt_id="att_none"
            )
        )
    assert await ledger.read(lambda q: q.head()) == (0, "0" * 64)
    assert await ledger.read(lambda q: q.events()) == []


async def test_ids_that_do_not_belong_together_are_refused(
    ledger: Ledger, walked: Ids, start_run: StartRun, example: Example
) -> None:
    await ledger.write(start_run("two"))
    before = await ledger.read(lambda q: q.head())
    for run_id in ("two", "ONE"):
        with pytest.raises(NotFound):
            await ledger.write(
                lambda tx, run_id=run_id: tx.append(  # type: ignore[misc]
                    EventKind.STEP_SETTLED,
                    example(EventKind.STEP_SETTLED),
                    run_id=run_id,
                    step_id=walked[0],
                )
            )
    with pytest.raises(NotFound):
        await ledger.write(
            lambda tx: tx.append(
                EventKind.WORKSPACE_RELEASED, {}, run_id="one", step_id="step_other", attempt_id=walked[1]
            )
        )
    with pytest.raises(NotFound):
        await ledger.write(
            lambda tx: tx.append(
                EventKind.ATTEMPT_STARTED,
                example(EventKind.ATTEMPT_STARTED, number=2),
                run_id="two",
                step_id=walked[0],
                attempt_id="att_2",
            )
        )
    assert await ledger.read(lambda q: q.head()) == before


@pytest.mark.parametrize(
    "body",
    [
        {"labels": {"project_id": 0.5}},
        {"labels": {"project_id": float("nan")}},
        {"labels": {"project_id": "\udc80"}},
        {"labels": {"project_id": object()}},
    ],
    ids=["float", "nan", "lone-surrogate", "object"],
)
async def test_what_cannot_be_recorded_is_refused(ledger: Ledger, body: Body) -> None:
    with pytest.raises(InvalidInput):
        await ledger.write(lambda tx: tx.append(EventKind.RUN_CREATED, body, run_id="one"))
    assert await ledger.read(lambda q: q.head()) == (0, "0" * 64)


async def test_a_lone_surrogate_is_invalid_input_everywhere(ledger: Ledger, start_run: StartRun) -> None:
    with pytest.raises(InvalidInput):
        await ledger.write(start_run("a\ud800"))
    with pytest.raises(InvalidInput):
        await ledger.read(lambda q: q.run("a\ud800"))
    await ledger.write(start_run("fine"))


async def test_a_body_without_what_the_tables_need_is_refused(ledger: Ledger, start_run: StartRun) -> None:
    await ledger.write(start_run("one"))
    with pytest.raises(LedgerFailed):
        await ledger.write(lambda tx: tx.append(EventKind.RUN_ADVANCED, {}, run_id="one"))


async def test_big_and_odd_text_comes_back_as_it_was(
    ledger: Ledger, start_run: StartRun, example: Example
) -> None:
    title = "x" * 1_000_000 + "\x00\x1f\u2028\U0001f600\u202e"
    await ledger.write(start_run("one"))
    body = example(EventKind.STEP_SUBMITTED, title=title)
    step_id = new_id(IdKind.STEP)
    event = await ledger.write(
        lambda tx: tx.append(EventKind.STEP_SUBMITTED, body, run_id="one", step_id=step_id)
    )
    step = await ledger.read(lambda q: q.step(step_id))
    assert step is not None
    assert step.title == title
    assert event == (await ledger.read(lambda q: q.events(after=1)))[0]
    assert verify(ledger.path).ok


async def test_ids_are_found_by_beginning_and_end(ledger: Ledger, walked: Ids) -> None:
    kinds = (IdKind.STEP, IdKind.ATTEMPT, IdKind.GATE)
    for kind, found in zip(kinds, walked, strict=True):
        digits = found.partition("_")[2]
        for text in (found, found[:-3], digits[:-3], found[-8:], found[-4:].upper()):
            ids = await ledger.read(lambda q, kind=kind, text=text: q.find_ids(kind, text))  # type: ignore[misc]
            assert ids == [found], text
        assert await ledger.read(lambda q, kind=kind: q.latest(kind)) == found  # type: ignore[misc]
        assert await ledger.read(lambda q, kind=kind: q.latest(kind, "other")) is None  # type: ignore[misc]
    (artifact,) = await ledger.read(lambda q: q.artifacts(walked[1]))
    assert await ledger.read(lambda q: q.find_ids(IdKind.ARTIFACT, artifact.id[-8:])) == [artifact.id]
    assert await ledger.read(lambda q: q.latest(IdKind.ARTIFACT, "one")) == artifact.id
    for text in ("", "%", "step_*", "' OR 1=1 --", "~"):
        assert await ledger.read(lambda q, text=text: q.find_ids(IdKind.STEP, text)) == []  # type: ignore[misc]
    assert await ledger.read(lambda q: q.find_ids(IdKind.INSTANCE, "inst")) == []
    assert await ledger.read(lambda q: q.latest(IdKind.INSTANCE)) is None


async def test_events_are_paged_and_filtered(ledger: Ledger, walk: Walk, start_run: StartRun) -> None:
    for run_id in ("one", "two"):
        await ledger.write(start_run(run_id))
    step_id, _, _ = await ledger.write(lambda tx: walk(tx, "one", "s1"))
    await ledger.write(lambda tx: walk(tx, "two", "s1"))
    everything = await ledger.read(lambda q: q.events())
    assert [event.seq for event in everything] == list(range(1, len(everything) + 1))
    assert await ledger.read(lambda q: q.events(after=5, limit=3)) == everything[5:8]
    of_run = await ledger.read(lambda q: q.events(run_id="one", after=1))
    assert of_run == [event for event in everything if event.run_id == "one" and event.seq > 1]
    of_step = await ledger.read(lambda q: q.events(step_id=step_id))
    assert of_step == [event for event in everything if event.step_id == step_id]


async def test_unfinished_attempts_are_those_that_have_not_ended(
    ledger: Ledger, walked: Ids, example: Example
) -> None:
    assert await ledger.read(lambda q: q.unfinished_attempts()) == []
    body = example(EventKind.ATTEMPT_STARTED, number=2)
    await ledger.write(
        lambda tx: tx.append(EventKind.ATTEMPT_STARTED, body, step_id=walked[0], attempt_id="att_2")
    )
    (attempt,) = await ledger.read(lambda q: q.unfinished_attempts())
    assert (attempt.id, attempt.number, attempt.state) == ("att_2", 2, AttemptState.PREPARING)
    step = await ledger.read(lambda q: q.step(walked[0]))
    assert step is not None
    assert (step.attempts, step.latest_attempt_id, step.adapter) == (2, "att_2", "other")
